-- Fixes one shard's audience, once: people who move on meanwhile are neither missed nor doubled. Returns its size.
-- KEYS: audience, index. ARGV: the lowest score.
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('ZRANGESTORE', KEYS[1], KEYS[2], ARGV[1], '+inf', 'BYSCORE')
end
return redis.call('ZCARD', KEYS[1])
