-- Looks after a broadcast no more, if it still has the status in which it was over.
-- KEYS: broadcast, active ones. ARGV: id, status.
if redis.call('HGET', KEYS[1], 'status') == ARGV[2] then
  return redis.call('SREM', KEYS[2], ARGV[1])
end
return 0
