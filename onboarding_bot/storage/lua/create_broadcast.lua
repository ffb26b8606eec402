-- Makes a broadcast, once for each Idempotency-Key.
-- KEYS: broadcast, all broadcasts, active ones, idempotency (or nothing). ARGV: id, now (ms), definition, status, days to
-- remember the key (ms), SHA-256 of the definition as it was given (earlier releases know no other), and with its moment in
-- UTC. Returns the id that the key stands for, and whether it is the same.
if KEYS[4] then
  local known = redis.call('HMGET', KEYS[4], 'id', 'definition', 'same')
  if known[1] then
    return {known[1], (known[2] == ARGV[6] or known[3] == ARGV[7]) and 1 or 0}
  end
  redis.call('HSET', KEYS[4], 'id', ARGV[1], 'definition', ARGV[6], 'same', ARGV[7])
  redis.call('PEXPIRE', KEYS[4], ARGV[5])
end
redis.call('HSET', KEYS[1], 'definition', ARGV[3], 'status', ARGV[4], 'created_at', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
return {ARGV[1], 1}
