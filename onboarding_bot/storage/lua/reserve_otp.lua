-- Takes a place among a phone number's OTP requests of the last day. Returns 0, or the seconds to wait.
-- KEYS: the number's requests, scored by their time (ms). ARGV: token, now (ms), day (ms), pause (ms), places.
local now, day, pause = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - day)
redis.call('ZREM', KEYS[1], ARGV[1])
local others = redis.call('ZCARD', KEYS[1])
local wait = 0
if others >= tonumber(ARGV[5]) then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  wait = tonumber(oldest[2]) + day - now
elseif others > 0 then
  local newest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
  wait = tonumber(newest[2]) + pause - now
end
if wait > 0 then
  return math.ceil(wait / 1000)
end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], day)
return 0
