-- Makes an uncertain row pending again; whether it was one. KEYS: pending, rows, counts, permit.
-- ARGV: person, broadcast, now (ms).
local row = read_row(KEYS[2], ARGV[1])
if not row or row.state ~= 'uncertain' then
  return 0
end
row.state, row.retries, row.later = 'pending', 0, 0
write_row(KEYS[2], KEYS[3], ARGV[1], row, 'uncertain')
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
give_marketing_place_back(KEYS[4], ARGV[2])
return 1
