-- Whether the next moment at which a message may go out is far away, by Redis's own clock.
-- KEYS: slots. ARGV: microseconds that are near enough.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
return tonumber(redis.call('HGET', KEYS[1], 'next') or 0) - now > tonumber(ARGV[1]) and 1 or 0
