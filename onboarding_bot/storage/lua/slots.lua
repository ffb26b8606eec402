-- Shared by the scripts that say when a message may go out. One hash holds the next free moment for all workers, by Redis's
-- own clock, in microseconds since 1970.
local function microseconds_now()
  local seconds, microseconds = unpack(redis.call('TIME'))
  return seconds * 1000000 + microseconds
end

local function next_free(slots)
  return tonumber(redis.call('HGET', slots, 'next') or 0)
end

local function set_next_free(slots, moment)
  redis.call('HSET', slots, 'next', string.format('%.0f', moment))
end
