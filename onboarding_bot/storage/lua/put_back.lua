-- Takes a claim back of which nothing was sent: the row waits again as if it had not been claimed.
-- KEYS: pending, rows, counts, inflight, permit. ARGV: person, broadcast, now (ms).
local person = ARGV[1]
local row = read_row(KEYS[2], person)
if redis.call('ZREM', KEYS[4], person) == 0 or row.state ~= 'sending' then
  return 0
end
row.state, row.tries = 'pending', row.tries - 1
write_row(KEYS[2], KEYS[3], person, row, 'sending')
redis.call('ZADD', KEYS[1], ARGV[3], person)
give_marketing_place_back(KEYS[5], ARGV[2])
return 1
