-- The last word before a message goes out: may this person be written to now? If so the row becomes "sending".
-- KEYS: pending, rows, counts, inflight, contact index, opt-out, permit, contact.
-- ARGV: person, now (ms), template (1 or 0), marketing (1 or 0), window (ms), broadcast.
-- Returns {"go", contact}, {"skipped", reason}, or {"taken"} when another worker was quicker.
local person, now, rules = ARGV[1], tonumber(ARGV[2]), read_rules(3)
if redis.call('ZREM', KEYS[1], person) == 0 then
  return {'taken'}
end
local row = read_row(KEYS[2], person)
local before = row.state
local reason = refusal(KEYS[5], KEYS[6], KEYS[7], person, now, rules)
local contact = redis.call('GET', KEYS[8])
if not reason and not contact then
  reason = 'suppressed'
end
if reason then
  row.state, row.code = 'skipped', reason
  write_row(KEYS[2], KEYS[3], person, row, before)
  redis.call('HINCRBY', KEYS[3], 'skipped:' .. reason, 1)
  return {'skipped', reason}
end
-- What is still told of the message of an earlier try does not concern the new one.
if row.sid ~= '' then
  row.earlier = row.earlier .. ' ' .. row.sid
end
row.state, row.code, row.sid, row.tries = 'sending', '', '', row.tries + 1
write_row(KEYS[2], KEYS[3], person, row, before)
redis.call('ZADD', KEYS[4], now, person)
-- A STOP that follows is counted against this broadcast (see commit.lua).
redis.call('HSET', KEYS[7], 'last_broadcast', ARGV[6])
if rules.marketing then
  take_marketing_place(KEYS[7], ARGV[6], now)
end
local life = redis.call('PTTL', KEYS[8])
if life > 0 then
  redis.call('PEXPIRE', KEYS[7], life)
end
return {'go', contact}
