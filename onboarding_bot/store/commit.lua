-- Writes one turn, if the person is still as the turn was computed for; otherwise hands back the newer state.
-- KEYS: session, contact, draft, contact index, counters, then the seven step indexes.
-- ARGV: head length, expected session head, expected contact head, session, session life (ms), contact,
--       contact life (ms, 0: for good), draft, draft life (ms, 0: no draft), person, which step index (1 to 7),
--       now (ms), then name and sum of each counter.
local session, contact = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
local head = tonumber(ARGV[1])
if string.sub(session or '', 1, head) ~= ARGV[2] or string.sub(contact or '', 1, head) ~= ARGV[3] then
  return {0, session, contact, redis.call('GET', KEYS[3])}
end

local now, life = tonumber(ARGV[12]), tonumber(ARGV[5])
redis.call('SET', KEYS[1], ARGV[4], 'PX', life)
if ARGV[7] == '0' then
  redis.call('SET', KEYS[2], ARGV[6])
else
  redis.call('SET', KEYS[2], ARGV[6], 'PX', ARGV[7])
end
if ARGV[9] == '0' then
  redis.call('DEL', KEYS[3])
else
  redis.call('SET', KEYS[3], ARGV[8], 'PX', ARGV[9])
end
redis.call('ZADD', KEYS[4], now, ARGV[10])

local current = 5 + tonumber(ARGV[11])
for index = 6, #KEYS do
  if index == current then
    redis.call('ZADD', KEYS[index], now + life, ARGV[10])
    redis.call('ZREMRANGEBYSCORE', KEYS[index], '-inf', now)
  else
    redis.call('ZREM', KEYS[index], ARGV[10])
  end
end

for index = 13, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[5], ARGV[index], ARGV[index + 1])
end
return {1, false, false, false}
