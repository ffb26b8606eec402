-- Makes each kind of change that a turn makes, in a key of its own that is gone afterwards: a Redis that refuses one of
-- them, or is full, fails here as it would in a turn.
-- KEYS probe
-- ARGV life
-- life: how long the key lives when the script ends half-way, in ms.
redis.call('MGET', probe_key)
redis.call('SET', probe_key, '1', 'PX', life)
redis.call('GET', probe_key)
redis.call('EXISTS', probe_key)
redis.call('BITFIELD', probe_key, 'INCRBY', 'i64', '#1', '1')
redis.call('DEL', probe_key)
redis.call('HSET', probe_key, 'field', '1')
redis.call('PERSIST', probe_key)
redis.call('PEXPIRE', probe_key, life)
redis.call('HINCRBY', probe_key, 'sum', '1')
redis.call('HGET', probe_key, 'field')
redis.call('HDEL', probe_key, 'field')
redis.call('DEL', probe_key)
redis.call('ZADD', probe_key, '1', 'member', '2', 'other')
redis.call('PEXPIRE', probe_key, life)
redis.call('ZREM', probe_key, 'other')
redis.call('ZREMRANGEBYSCORE', probe_key, '-inf', '+inf')
return redis.call('DEL', probe_key)
