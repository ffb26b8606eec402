-- Reserves the next moment at which a message may go out, over all workers, by Redis's own clock.
-- KEYS: slots, broadcast, people outside the window of the last 24 hours; for what is no bulk only the first.
-- ARGV: microseconds between two messages, how many of them a reserved moment may lie ahead, 1 for the first try of a
--       recipient, person ("" inside the window), how many people outside the window a day; for what is no bulk only the
--       first.
-- Returns {"go", microseconds to wait}, {"busy", microseconds until it is worth to ask again}, {"status", status},
-- {"wave"}, or {"daily", milliseconds to wait}.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local slot = math.max(now, tonumber(redis.call('HGET', KEYS[1], 'next') or 0))
if KEYS[2] then
  local known = redis.call('HMGET', KEYS[2], 'status', 'started', 'wave_limit')
  if known[1] ~= 'sending' then
    return {'status', known[1]}
  end
  -- Nobody reserves far ahead: a pause, a STOP, or a message that is no bulk would have to wait for it.
  local too_far = slot - now - tonumber(ARGV[2])
  if too_far > 0 then
    return {'busy', too_far}
  end
  local is_first, person, limit = ARGV[3] == '1', ARGV[4], tonumber(known[3] or '')
  if is_first and limit and tonumber(known[2] or 0) >= limit then
    return {'wave'}
  end
  if person ~= '' then
    local day, now_ms = 86400000, math.floor(now / 1000)
    redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now_ms - day)
    if not redis.call('ZSCORE', KEYS[3], person) and redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[5]) then
      local oldest = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
      return {'daily', math.max(1, math.floor((oldest[2] and tonumber(oldest[2]) or now_ms) + day - now_ms))}
    end
    redis.call('ZADD', KEYS[3], now_ms, person)
    redis.call('PEXPIRE', KEYS[3], day)
  end
  if is_first then
    redis.call('HINCRBY', KEYS[2], 'started', 1)
  end
end
redis.call('HSET', KEYS[1], 'next', string.format('%.0f', slot + tonumber(ARGV[1])))
return {'go', slot - now}
