-- Moves a row by a status callback, never backwards; callbacks come in any order, and more than once.
-- KEYS: pending, rows, counts, inflight. ARGV: person, state, code, MessageSid, when to try again (ms, 0: not).
-- Returns the row's state before and after, or nothing when there is no such row.
local RANK = {sending = 1, uncertain = 1, sent = 2, failed = 3, delivered = 3, read = 4}
local person, state = ARGV[1], ARGV[2]
local row = read_row(KEYS[2], person)
if not row then
  return {}
end
local before = row.state
-- A row that waits again has forgotten its message; what is still told of that message changes nothing.
local is_other_message = (row.sid ~= '' and row.sid ~= ARGV[4]) or row.code == ARGV[4]
if not RANK[before] or is_other_message or before == 'failed' or RANK[state] <= RANK[before] then
  return {before, before}
end
redis.call('ZREM', KEYS[4], person)
accept(KEYS[3], row)
row.state, row.code, row.sid = state, ARGV[3], ARGV[4]
if state == 'failed' and ARGV[5] ~= '0' then
  row.state = 'pending'
  redis.call('ZADD', KEYS[1], ARGV[5], person)
elseif state == 'failed' then
  redis.call('HINCRBY', KEYS[3], 'failed:' .. row.code, 1)
end
write_row(KEYS[2], KEYS[3], person, row, before)
return {before, row.state}
