-- Moves a broadcast to another status, if it is in one of those that it may come from.
-- KEYS broadcast, active
-- ARGV broadcast, status, reason, is_final, came_from...
-- is_final: 1 when the new status is final. Returns the status that it was in, and 1 when it moved.
local before = redis.call('HGET', broadcast_key, 'status')
for _, one in ipairs(came_from) do
  if one == before then
    local seconds, microseconds = unpack(redis.call('TIME'))
    redis.call('HSET', broadcast_key, 'status', status, 'reason', reason,
      'moved_at', string.format('%.0f', seconds * 1000 + math.floor(microseconds / 1000)))
    -- One that is over stays among the active ones until the messages in flight are settled (see deactivate.lua).
    if is_final == '0' then
      redis.call('SADD', active_key, broadcast)
    end
    return {before, 1}
  end
end
return {before, 0}
