-- Reads what /stats needs of one shard.
-- KEYS counters, day, step...
-- ARGV now
-- now: a Unix time in ms.
-- Returns the live sessions in each step, the counters as names and sums, and the day's row of numbers.
local sessions = {}
for step, index in ipairs(step_keys) do
  -- Few sessions have expired: counting those takes the same time however many live.
  sessions[step] = redis.call('ZCARD', index) - redis.call('ZCOUNT', index, '-inf', now)
end
return {sessions, redis.call('HGETALL', counters_key), redis.call('GET', day_key)}
