-- Makes each kind of change that a turn makes, in a key of its own that is gone afterwards: whoever may not, or has no
-- room, fails here as a turn would.
-- KEYS: the key. ARGV: how long (ms) it lives if this ends half-way.
local key, life = KEYS[1], ARGV[1]
redis.call('MGET', key)
redis.call('SET', key, '1', 'PX', life)
redis.call('GET', key)
redis.call('EXISTS', key)
redis.call('BITFIELD', key, 'INCRBY', 'i64', '#1', '1')
redis.call('DEL', key)
redis.call('HSET', key, 'field', '1')
redis.call('PERSIST', key)
redis.call('PEXPIRE', key, life)
redis.call('HINCRBY', key, 'sum', '1')
redis.call('HGET', key, 'field')
redis.call('HDEL', key, 'field')
redis.call('DEL', key)
redis.call('ZADD', key, '1', 'member', '2', 'other')
redis.call('PEXPIRE', key, life)
redis.call('ZREM', key, 'other')
redis.call('ZREMRANGEBYSCORE', key, '-inf', '+inf')
return redis.call('DEL', key)
