-- Erases a person, if the state is still the one that was looked at; otherwise hands back the newer one. What went out
-- to the person stays counted, under names that lead back to nobody.
-- KEYS: session, contact, draft, opt-out, permit, due work, contact index, erasures, counters, counters of the day, lines owed
--       to the log, link, alias of the person's own hash, the seven step indexes, a goodbye for each message that may come
--       again, whose messages are to be deleted for each address, then audience, rows, counts, pending and inflight of each
--       broadcast.
-- ARGV: head length, expected session head, expected contact head, expected alias, person, now (ms), opt-out to leave, the
--       goodbye, its life (ms), what is left of the alias's life (ms, "": as it is, 0: nothing), life of the messages to delete
--       (ms), when they are due (ms), the kinds of due work, life of the day's counters (ms), the positions in the day of
--       sessions that ended in each step, how many goodbyes, how many addresses, of each whose messages are to be deleted
--       and its place in the due work, how many counters, name and sum of each, how many of the day, position and sum
--       of each, then the new name in each broadcast.
-- Returns whether it was done, then session, contact, draft, opt-out, link and alias where it was not.
local FIRST_STEP, FIRST_GOODBYE, IN_A_BROADCAST, FIRST_ADDRESS = 14, 21, 5, 18
local session, contact = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
local head = tonumber(ARGV[1])
if string.sub(session or '', 1, head) ~= ARGV[2] or string.sub(contact or '', 1, head) ~= ARGV[3]
    or (redis.call('GET', KEYS[13]) or '') ~= ARGV[4] then
  return {0, session, contact, unpack(redis.call('MGET', KEYS[3], KEYS[4], KEYS[12], KEYS[13]))}
end

local person, now = ARGV[5], ARGV[6]
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[5], KEYS[12])
redis.call('SET', KEYS[4], ARGV[7])
if ARGV[10] == '0' then
  redis.call('DEL', KEYS[13])
elseif ARGV[10] ~= '' then
  redis.call('PEXPIRE', KEYS[13], ARGV[10])
end
for kind in string.gmatch(ARGV[13], '%S+') do
  redis.call('ZREM', KEYS[6], kind .. ':' .. person)
end
redis.call('ZREM', KEYS[7], person)
redis.call('ZADD', KEYS[8], now, person)
redis.call('ZADD', KEYS[11], now, person)
local first_deletion = FIRST_GOODBYE + tonumber(ARGV[16])
for index = FIRST_GOODBYE, first_deletion - 1 do
  redis.call('SET', KEYS[index], ARGV[8], 'PX', ARGV[9])
end
local addresses = tonumber(ARGV[17])
local first_broadcast = first_deletion + addresses
for number = 0, addresses - 1 do
  redis.call('SET', KEYS[first_deletion + number], ARGV[FIRST_ADDRESS + 2 * number], 'PX', ARGV[11])
  redis.call('ZADD', KEYS[6], ARGV[12], ARGV[FIRST_ADDRESS + 2 * number + 1])
end
local moved, step = {}, FIRST_STEP
for position in string.gmatch(ARGV[15], '%S+') do
  if redis.call('ZREM', KEYS[step], person) == 1 then
    count(moved, position, 1)
  end
  step = step + 1
end
local first_counter = FIRST_ADDRESS + 2 * addresses + 1
local first_of_day = first_counter + 2 * tonumber(ARGV[first_counter - 1]) + 1
for index = first_counter, first_of_day - 2, 2 do
  redis.call('HINCRBY', KEYS[9], ARGV[index], ARGV[index + 1])
end
local after_counters = first_of_day + 2 * tonumber(ARGV[first_of_day - 1])
for index = first_of_day, after_counters - 1, 2 do
  count(moved, ARGV[index], ARGV[index + 1])
end
write_day(KEYS[10], moved, ARGV[14])

local function make_anonymous(audience, rows, counts, pending, inflight, name)
  local place = redis.call('ZSCORE', audience, person)
  if place then
    -- Rows are made by rank: nobody else may move up.
    redis.call('ZREM', audience, person)
    redis.call('ZADD', audience, place, name)
  end
  redis.call('ZREM', pending, person)
  redis.call('ZREM', inflight, person)
  local row = read_recipient(rows, person)
  if not row then
    return
  end
  local before = row.state
  if before == 'pending' then
    row.state, row.code = 'skipped', 'opted_out'
    redis.call('HINCRBY', counts, 'skipped:opted_out', 1)
  elseif before == 'sending' then
    -- How it ends can be written down under no name any more.
    row.state = 'uncertain'
  end
  row.sid, row.earlier = '', ''
  redis.call('HDEL', rows, person)
  -- The moment of the erasure would tell which rows belong together, and to whom: the list of erasures knows it.
  write_recipient(rows, counts, name, row, before, row.changed)
end

for index = first_broadcast, #KEYS, IN_A_BROADCAST do
  local name = ARGV[after_counters + (index - first_broadcast) / IN_A_BROADCAST]
  make_anonymous(KEYS[index], KEYS[index + 1], KEYS[index + 2], KEYS[index + 3], KEYS[index + 4], name)
end
return {1}
