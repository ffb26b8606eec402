-- Forgets a broadcast that is over; its shards have forgotten it before. KEYS: broadcast, all broadcasts, active ones.
-- ARGV: id.
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[3], ARGV[1])
return redis.call('ZREM', KEYS[2], ARGV[1])
