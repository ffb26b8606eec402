-- Shared: a recipient's pending row is skipped, because the person is written to under another record.
local function skip_pending_row(rows, counts, pending, person)
  if redis.call('ZREM', pending, person) == 0 then
    return
  end
  local row = read_row(rows, person)
  if row and row.state == 'pending' then
    row.state, row.code = 'skipped', 'suppressed'
    write_row(rows, counts, person, row, 'pending')
    redis.call('HINCRBY', counts, 'skipped:suppressed', 1)
  end
end
