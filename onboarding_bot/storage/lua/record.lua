-- Writes down how a send ended. A callback may have been quicker: it is never moved back. Returns the states before and
-- after, or nothing without such a row.
-- KEYS: pending, rows, counts, inflight, permit.
-- ARGV: person, broadcast, state (sent, uncertain, failed), code, MessageSid, as what it is counted when it is tried
--       again, then the moments of trying again (ms).
local person, state = ARGV[1], ARGV[3]
redis.call('ZREM', KEYS[4], person)
local row = read_row(KEYS[2], person)
if not row then
  return false
end
local before = row.state
if state == 'sent' then
  accept(KEYS[3], row)
  row.sid = ARGV[5]
  if before == 'sending' or before == 'uncertain' then
    row.state, row.code = 'sent', ''
  end
elseif before == 'sending' and state == 'uncertain' then
  row.state = 'uncertain'
elseif before == 'sending' then
  fail_or_wait(KEYS[1], KEYS[3], person, row, ARGV[4], ARGV[6], 7)
  give_marketing_place_back(KEYS[5], ARGV[2])
end
write_row(KEYS[2], KEYS[3], person, row, before)
return {before, row.state}
