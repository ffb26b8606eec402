-- Forgets a broadcast that is over; its shards have forgotten it before.
-- KEYS broadcast, broadcasts, active
-- ARGV broadcast
redis.call('DEL', broadcast_key)
redis.call('SREM', active_key, broadcast)
return redis.call('ZREM', broadcasts_key, broadcast)
