-- Gives a member of a sorted set another name; it keeps its score.
-- KEYS set
-- ARGV name, new_name
local score = redis.call('ZSCORE', set_key, name)
if score then
  redis.call('ZREM', set_key, name)
  redis.call('ZADD', set_key, score, new_name)
end
return 1
