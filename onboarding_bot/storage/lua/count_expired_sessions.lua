-- Counts the sessions of a shard that have expired since the last look, in the step where each of them was.
-- KEYS day, step...
-- ARGV now, day_life, ended...
-- now, day_life: in ms. ended: the position of the sessions that ended in each step, in the order of the step indexes.
local increments = {}
count_expired(increments, step_keys, ended, now)
write_day(day_key, increments, day_life)
