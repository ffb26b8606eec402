-- Moves a broadcast to another status, if it is in one of those that it may come from.
-- KEYS: broadcast, active ones. ARGV: id, new status, reason, 1 when final, then the statuses that it may come from.
-- Returns the status that it was in, and whether it moved.
local status = redis.call('HGET', KEYS[1], 'status')
for index = 5, #ARGV do
  if ARGV[index] == status then
    local time = redis.call('TIME')
    redis.call('HSET', KEYS[1], 'status', ARGV[2], 'reason', ARGV[3],
      'moved_at', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
    -- One that is over stays among the active ones until the messages in flight are settled (see retire.lua).
    if ARGV[4] == '0' then
      redis.call('SADD', KEYS[2], ARGV[1])
    end
    return {status, 1}
  end
end
return {status, 0}
