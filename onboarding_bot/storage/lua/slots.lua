-- Shared by the scripts that say when a message may go out. One hash holds the next free moment for all workers, by Redis's
-- own clock, in microseconds since 1970.
local function microseconds_now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function next_free(slots)
  return tonumber(redis.call('HGET', slots, 'next') or 0)
end

local function set_next_free(slots, moment)
  redis.call('HSET', slots, 'next', string.format('%.0f', moment))
end
