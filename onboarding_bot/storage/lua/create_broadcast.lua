-- Creates a broadcast, once for each Idempotency-Key.
-- KEYS broadcast, broadcasts, active, idempotency...
-- ARGV broadcast, now, definition, status, key_life, as_given, in_utc
-- idempotency: the record of the Idempotency-Key, if there is one. now and key_life (how long the key is remembered): ms.
-- as_given: SHA-256 of the definition as it was given (earlier releases know no other); in_utc: of the same with its moment
-- in UTC. Returns the id that the key stands for, and 1 when its definition is the same.
local idempotency_key = unpack(idempotency_keys)
if idempotency_key then
  local known_id, known_as_given, known_in_utc = unpack(redis.call('HMGET', idempotency_key, 'id', 'definition', 'same'))
  if known_id then
    return {known_id, (known_as_given == as_given or known_in_utc == in_utc) and 1 or 0}
  end
  redis.call('HSET', idempotency_key, 'id', broadcast, 'definition', as_given, 'same', in_utc)
  redis.call('PEXPIRE', idempotency_key, key_life)
end
redis.call('HSET', broadcast_key, 'definition', definition, 'status', status, 'created_at', now)
redis.call('ZADD', broadcasts_key, now, broadcast)
redis.call('SADD', active_key, broadcast)
return {broadcast, 1}
