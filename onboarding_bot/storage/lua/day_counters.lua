-- Shared: counts what happened on a day in one shard, and the sessions that have expired there. A counter of the day is a
-- number of 64 bits, found by its position in the row; ``increments`` collects what BITFIELD adds to them at last.

local function count(increments, position, sum)
  increments[#increments + 1] = 'INCRBY'
  increments[#increments + 1] = 'i64'
  increments[#increments + 1] = '#' .. position
  increments[#increments + 1] = sum
end

-- The scores in the step indexes are by the clocks of many machines, and a session expires by that of Redis (ms).
local CLOCK_SKEW = 60000

-- Takes everyone out of the step indexes whose session has expired beyond doubt, so that each is counted once.
-- ``positions`` are those of the sessions that ended in each step.
local function count_expired(increments, indexes, positions, now)
  for step, index in ipairs(indexes) do
    local expired = redis.call('ZREMRANGEBYSCORE', index, '-inf', now - CLOCK_SKEW)
    if expired > 0 then
      count(increments, positions[step], expired)
    end
  end
end

-- Takes one person out of the step indexes. A session that is over has ended in the step where the person was.
local function leave_step(increments, indexes, positions, person, is_over)
  for step, index in ipairs(indexes) do
    if redis.call('ZREM', index, person) == 1 and is_over then
      count(increments, positions[step], 1)
    end
  end
end

local function write_day(day, increments, life)
  if #increments > 0 then
    redis.call('BITFIELD', day, unpack(increments))
    redis.call('PEXPIRE', day, life)
  end
end
