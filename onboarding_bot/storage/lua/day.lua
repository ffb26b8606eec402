-- Shared: how a shard counts what happened on a day, and who has let a session end.

-- Adds one counter of the day, by its position, to what BITFIELD will be told.
local function count(moved, position, sum)
  moved[#moved + 1] = 'INCRBY'
  moved[#moved + 1] = 'i64'
  moved[#moved + 1] = '#' .. position
  moved[#moved + 1] = sum
end

-- The scores in the step indexes are by the clocks of many machines, and a session ends by that of Redis.
local CLOCKS_APART = 60000

-- Takes everybody out of the step indexes whose session is over beyond doubt, so that each is counted once.
local function count_ended(moved, indexes, positions, now)
  for index, key in ipairs(indexes) do
    local ended = redis.call('ZREMRANGEBYSCORE', key, '-inf', now - CLOCKS_APART)
    if ended > 0 then
      count(moved, positions[index], ended)
    end
  end
end

-- Takes one person out of the step indexes. When the session is over, it has ended in the step where the person was.
local function leave_step(moved, indexes, positions, person, is_over)
  for index, key in ipairs(indexes) do
    if redis.call('ZREM', key, person) == 1 and is_over then
      count(moved, positions[index], 1)
    end
  end
end

local function write_day(key, moved, life)
  if #moved > 0 then
    redis.call('BITFIELD', key, unpack(moved))
    redis.call('PEXPIRE', key, life)
  end
end
