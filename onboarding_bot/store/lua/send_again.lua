-- Makes an uncertain row pending again. KEYS: pending, rows, counts. ARGV: person, now (ms).
local row = read_row(KEYS[2], ARGV[1])
if not row or row.state ~= 'uncertain' then
  return 0
end
row.state, row.code = 'pending', ''
write_row(KEYS[2], KEYS[3], ARGV[1], row, 'uncertain')
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return 1
