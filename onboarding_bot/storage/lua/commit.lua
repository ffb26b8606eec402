-- Writes one turn, if the person is still as the turn was computed for; otherwise hands back the newer state.
-- KEYS: session, contact, draft, opt-out, permit, due work, contact index, counters, counters of the day, link, alias of the
--       person's own hash, then the seven step indexes.
-- ARGV: head length, expected session head, expected contact head, session, session life (ms), contact, contact life
--       (ms), draft, draft life (ms, 0: no draft), opt-out (empty: none), times of the yes to service (see
--       consents.lua) and to news (ms, empty: none), time of the last START or UPDATES (ms, empty: none), person, time of the last message (ms),
--       which step index (1 to 7), now (ms), two kinds of due work with their times (ms, empty: none), life of the day's
--       counters (ms), 1 when a message of the person's is heard for the first time, the position in the day of sessions
--       that ended in each step, expected alias, link (empty: as it is), link life (ms), how many counters, name and sum of
--       each, then position and sum of each counter of the day.

-- START and UPDATES lift every suppression, and any message what an error said of the person: who writes has not blocked
-- us, and has a number. A STOP that Twilio heard (21610) stays. Whoever blocked us has ended the yes to news as well.
local function lift_suppression(permit, is_heard, asked_at)
  local known = redis.call('HMGET', permit, 'asked_at', 'suppressed', 'updates')
  local asks = asked_at ~= '' and known[1] ~= asked_at
  if asks then
    redis.call('HSET', permit, 'asked_at', asked_at)
  end
  if not known[2] or not (asks or (is_heard and known[2] ~= '21610')) then
    return
  end
  redis.call('HDEL', permit, 'suppressed')
  for _, name in ipairs(redis.call('HKEYS', permit)) do
    if string.sub(name, 1, 8) == 'trouble:' then
      redis.call('HDEL', permit, name)
    end
  end
  if known[2] == '63014' and known[3] then
    redis.call('HSET', permit, 'updates_void', known[3])
  end
end

local session, contact = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
local head = tonumber(ARGV[1])
local steps = #KEYS - 11
local alias, link, link_life = ARGV[24 + steps], ARGV[25 + steps], ARGV[26 + steps]
-- A person who has become an alias meanwhile is written to under another id.
if string.sub(session or '', 1, head) ~= ARGV[2] or string.sub(contact or '', 1, head) ~= ARGV[3]
    or (redis.call('GET', KEYS[11]) or '') ~= alias then
  return {0, session, contact, unpack(redis.call('MGET', KEYS[3], KEYS[4], KEYS[10], KEYS[11]))}
end

local person, now, life, contact_life = ARGV[14], tonumber(ARGV[17]), tonumber(ARGV[5]), tonumber(ARGV[7])
-- Of a contact, too, the life counts from the person's last message: a reminder adds nothing to it.
local contact_left = math.max(1, tonumber(ARGV[15]) + contact_life - now)
redis.call('SET', KEYS[1], ARGV[4], 'PX', life)
redis.call('SET', KEYS[2], ARGV[6], 'PX', contact_left)
if ARGV[9] == '0' then
  redis.call('DEL', KEYS[3])
else
  redis.call('SET', KEYS[3], ARGV[8], 'PX', ARGV[9])
end
-- A no to messages outlives everything else that is known of the person.
if ARGV[10] == '' then
  redis.call('DEL', KEYS[4])
else
  local broadcast = redis.call('EXISTS', KEYS[4]) == 0 and redis.call('HGET', KEYS[5], 'last_broadcast')
  if broadcast then
    local counts = string.match(KEYS[5], '^{s%d+}') .. ':broadcast:' .. broadcast .. ':counts'
    if redis.call('EXISTS', counts) == 1 then
      redis.call('HINCRBY', counts, 'stops', 1)
    end
  end
  redis.call('SET', KEYS[4], ARGV[10])
end
lift_suppression(KEYS[5], ARGV[23] == '1', ARGV[13])
write_consents(KEYS[5], ARGV[11], ARGV[12])
redis.call('PEXPIRE', KEYS[5], contact_left)
for index = 18, 20, 2 do
  if ARGV[index + 1] == '' then
    redis.call('ZREM', KEYS[6], ARGV[index])
  else
    redis.call('ZADD', KEYS[6], ARGV[index + 1], ARGV[index])
  end
end
redis.call('ZADD', KEYS[7], ARGV[15], person)
redis.call('ZREMRANGEBYSCORE', KEYS[7], '-inf', now - contact_life)

local moved, indexes, positions = {}, {unpack(KEYS, 12)}, {unpack(ARGV, 24, 23 + steps)}
leave_step(moved, indexes, positions, person, not session)
count_ended(moved, indexes, positions, now)
redis.call('ZADD', indexes[tonumber(ARGV[16])], now + life, person)

-- Whoever opted out keeps the addresses as well: without them nobody could tell who gets the number afterwards.
if link ~= '' then
  redis.call('SET', KEYS[10], link)
end
if ARGV[10] == '' then
  redis.call('PEXPIRE', KEYS[10], contact_left + link_life - contact_life)
else
  redis.call('PERSIST', KEYS[10])
end

local first = 28 + steps
local first_of_day = first + 2 * tonumber(ARGV[first - 1])
for index = first, first_of_day - 1, 2 do
  redis.call('HINCRBY', KEYS[8], ARGV[index], ARGV[index + 1])
end
for index = first_of_day, #ARGV, 2 do
  count(moved, ARGV[index], ARGV[index + 1])
end
write_day(KEYS[9], moved, ARGV[22])
return {1}
