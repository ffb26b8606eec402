-- Moves a row by a status callback, never backwards; callbacks come in any order, and more than once.
-- KEYS: pending, rows, counts, inflight, permit.
-- ARGV: person, broadcast, state (sent, delivered, read, failed), code, MessageSid, as what it is counted when it is tried
--       again, then the moments of trying again (ms).
-- Returns the row's state before and after, or nothing when there is no such row.
local RANK = {sending = 1, uncertain = 1, sent = 2, failed = 3, delivered = 3, read = 4}
local person, state, sid = ARGV[1], ARGV[3], ARGV[5]
local row = read_row(KEYS[2], person)
if not row then
  return {}
end
local before = row.state
local is_other_message = (row.sid ~= '' and row.sid ~= sid) or string.find(row.earlier, sid, 1, true)
-- A row may wait while nobody knows here that its message went out: an admin had it sent again, or a restored backup
-- is older than the message. Whoever got it does not get another one.
local went_out = before == 'pending' and row.sid == '' and state ~= 'failed'
if not (RANK[before] or went_out) or is_other_message or before == 'failed' or RANK[state] <= (RANK[before] or 0) then
  return {before, before}
end
redis.call('ZREM', KEYS[1], person)
redis.call('ZREM', KEYS[4], person)
accept(KEYS[3], row)
row.sid = sid
if state == 'failed' then
  fail_or_wait(KEYS[1], KEYS[3], person, row, ARGV[4], ARGV[6], 7)
  give_marketing_place_back(KEYS[5], ARGV[2])
else
  row.state, row.code = state, ''
end
write_row(KEYS[2], KEYS[3], person, row, before)
return {before, row.state}
