-- Twilio asked for a pause: nobody's next slot comes before it is over. KEYS: slots. ARGV: microseconds.
local time = redis.call('TIME')
local resume = tonumber(time[1]) * 1000000 + tonumber(time[2]) + tonumber(ARGV[1])
if resume > tonumber(redis.call('HGET', KEYS[1], 'next') or 0) then
  redis.call('HSET', KEYS[1], 'next', string.format('%.0f', resume))
end
return 1
