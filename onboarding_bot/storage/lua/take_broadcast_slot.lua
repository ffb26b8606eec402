-- Reserves the next moment at which a message of a broadcast may go out.
-- KEYS slots, broadcast, outside_window
-- ARGV between, ahead, is_first_try, person, daily_limit
-- outside_window: the people written to outside their window in the last 24 hours. between: microseconds between two
-- messages. ahead: how many microseconds a reserved moment may lie ahead. is_first_try: 1 for the first try of a recipient.
-- person: "" inside the window. daily_limit: how many people outside their window a day.
-- Returns {"go", microseconds to wait}, {"busy", microseconds until it is worth to ask again}, {"status", status},
-- {"wave"}, or {"daily", milliseconds to wait}.
local status, started, wave_limit = unpack(redis.call('HMGET', broadcast_key, 'status', 'started', 'wave_limit'))
if status ~= 'sending' then
  return {'status', status}
end
local now = microseconds_now()
local slot = math.max(now, next_free(slots_key))
-- A pause, a STOP or a transactional message would have to wait for moments that were reserved far ahead.
local too_far = slot - now - tonumber(ahead)
if too_far > 0 then
  return {'busy', too_far}
end
wave_limit = tonumber(wave_limit or '')
if is_first_try == '1' and wave_limit and tonumber(started or 0) >= wave_limit then
  return {'wave'}
end
if person ~= '' then
  local day, now_ms = 86400000, math.floor(now / 1000)
  redis.call('ZREMRANGEBYSCORE', outside_window_key, '-inf', now_ms - day)
  if not redis.call('ZSCORE', outside_window_key, person)
      and redis.call('ZCARD', outside_window_key) >= tonumber(daily_limit) then
    local _, oldest_at = unpack(redis.call('ZRANGE', outside_window_key, 0, 0, 'WITHSCORES'))
    return {'daily', math.max(1, math.floor(tonumber(oldest_at or now_ms) + day - now_ms))}
  end
  redis.call('ZADD', outside_window_key, now_ms, person)
  redis.call('PEXPIRE', outside_window_key, day)
end
if is_first_try == '1' then
  redis.call('HINCRBY', broadcast_key, 'started', 1)
end
set_next_free(slots_key, slot + tonumber(between))
return {'go', slot - now}
