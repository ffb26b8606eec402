-- Fixes one shard's audience, once: people who move on meanwhile are neither missed nor doubled.
-- KEYS audience, index
-- ARGV lowest
-- index: of a step, or of all contacts. lowest: the lowest score of those who belong to it. Returns the audience's size.
if redis.call('EXISTS', audience_key) == 0 then
  redis.call('ZRANGESTORE', audience_key, index_key, lowest, '+inf', 'BYSCORE')
end
return redis.call('ZCARD', audience_key)
