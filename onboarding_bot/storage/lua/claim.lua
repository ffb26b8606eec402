-- Decides for the last time whether a message may go out to this person now. If so, the recipient becomes "sending".
-- KEYS pending, recipients, counts, inflight, contacts, opt_out, permit, contact
-- ARGV person, broadcast, now, is_template, is_marketing, window
-- contacts: the index of the shard. now, window: ms. is_template, is_marketing: 1 or 0.
-- Returns {"go", contact}, {"skipped", reason}, or {"taken"} when another worker was quicker.
if redis.call('ZREM', pending_key, person) == 0 then
  return {'taken'}
end
local rules = sending_rules(is_template, is_marketing, window)
local recipient = read_recipient(recipients_key, person)
local before = recipient.state
local reason = refusal(contacts_key, opt_out_key, permit_key, person, tonumber(now), rules)
local contact = redis.call('GET', contact_key)
if not reason and not contact then
  reason = 'suppressed'
end
if reason then
  recipient.state, recipient.code = 'skipped', reason
  write_recipient(recipients_key, counts_key, person, recipient, before)
  redis.call('HINCRBY', counts_key, 'skipped:' .. reason, 1)
  return {'skipped', reason}
end
-- What is still told of the message of an earlier try does not concern the new one.
if recipient.sid ~= '' then
  recipient.earlier = recipient.earlier .. ' ' .. recipient.sid
end
recipient.state, recipient.code, recipient.sid, recipient.tries = 'sending', '', '', recipient.tries + 1
write_recipient(recipients_key, counts_key, person, recipient, before)
redis.call('ZADD', inflight_key, now, person)
-- A STOP that follows is counted against this broadcast (see commit.lua).
redis.call('HSET', permit_key, 'last_broadcast', broadcast)
if rules.is_marketing then
  note_marketing(permit_key, broadcast, now)
end
local life = redis.call('PTTL', contact_key)
if life > 0 then
  redis.call('PEXPIRE', permit_key, life)
end
return {'go', contact}
