-- Takes what is due; it is due again later, in case that whoever took it dies.
-- KEYS: due work of a shard. ARGV: now (ms), when it is due again (ms), how many at most. Returns the members.
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, member in ipairs(members) do
  redis.call('ZADD', KEYS[1], ARGV[2], member)
end
return members
