-- Adds one entry to the per-phone daily OTP limit, or tells how long to wait. One token has one entry, however often it asks.
-- KEYS requests
-- ARGV token, now, day, pause, limit
-- requests: tokens, scored by the Unix time of the request in ms. now, day, pause: in ms; between two requests lies a pause.
-- limit: entries in one day.
-- Returns 0 when the entry was added, else the seconds to wait.
redis.call('ZREMRANGEBYSCORE', requests_key, '-inf', now - day)
redis.call('ZREM', requests_key, token)
local others = redis.call('ZCARD', requests_key)
local wait = 0
if others >= tonumber(limit) then
  local _, oldest_at = unpack(redis.call('ZRANGE', requests_key, 0, 0, 'WITHSCORES'))
  wait = oldest_at + day - now
elseif others > 0 then
  local _, newest_at = unpack(redis.call('ZRANGE', requests_key, -1, -1, 'WITHSCORES'))
  wait = newest_at + pause - now
end
if wait > 0 then
  return math.ceil(wait / 1000)
end
redis.call('ZADD', requests_key, now, token)
redis.call('PEXPIRE', requests_key, day)
return 0
