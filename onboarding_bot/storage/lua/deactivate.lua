-- Takes a broadcast that is over out of the active ones, if it still has the status in which it was over.
-- KEYS broadcast, active
-- ARGV broadcast, status
if redis.call('HGET', broadcast_key, 'status') == status then
  return redis.call('SREM', active_key, broadcast)
end
return 0
