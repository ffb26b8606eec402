-- Shared: how a shard counts what happened on a day, and who has let a session end.

-- Adds one counter of the day, by its position, to what BITFIELD will be told.
local function count(moved, position, sum)
  moved[#moved + 1] = 'INCRBY'
  moved[#moved + 1] = 'i64'
  moved[#moved + 1] = '#' .. position
  moved[#moved + 1] = sum
end

-- Takes everybody out of the step indexes whose session is over, so that each is counted once. One of them may be the
-- person who is just coming back.
local function count_ended(indexes, positions, now)
  local moved = {}
  for index, key in ipairs(indexes) do
    local ended = redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    if ended > 0 then
      count(moved, positions[index], ended)
    end
  end
  return moved
end

local function write_day(key, moved, life)
  if #moved > 0 then
    redis.call('BITFIELD', key, unpack(moved))
    redis.call('PEXPIRE', key, life)
  end
end
