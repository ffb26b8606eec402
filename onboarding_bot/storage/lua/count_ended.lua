-- Counts the sessions of a shard that have ended since somebody last looked.
-- KEYS: counters of the day, then the seven step indexes.
-- ARGV: now (ms), life of the day's counters (ms), then the seven positions in the day of sessions that ended.
local moved = {}
count_ended(moved, {unpack(KEYS, 2)}, {unpack(ARGV, 3)}, tonumber(ARGV[1]))
write_day(KEYS[1], moved, ARGV[2])
