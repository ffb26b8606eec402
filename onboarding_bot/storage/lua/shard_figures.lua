-- What a shard has to say to /stats; it changes nothing.
-- KEYS: counters, counters of the day, then the seven step indexes.
-- ARGV: now (ms).
-- Returns the live sessions in each step, the counters with their sums, and the day's row of numbers.
local sessions = {}
for index = 3, #KEYS do
  -- Hardly anybody's session is over: counting those few takes the same time however many the others are.
  sessions[index - 2] = redis.call('ZCARD', KEYS[index]) - redis.call('ZCOUNT', KEYS[index], '-inf', ARGV[1])
end
return {sessions, redis.call('HGETALL', KEYS[1]), redis.call('GET', KEYS[2])}
