-- Records how a send ended. A callback may have been quicker: the recipient is never moved back.
-- KEYS pending, recipients, counts, inflight, permit
-- ARGV person, broadcast, state, code, message_sid, counted_as, moments...
-- state: sent, uncertain or failed. counted_as and moments (ms): see fail_or_retry in recipients.lua.
-- Returns the states before and after, or nothing without such a recipient.
redis.call('ZREM', inflight_key, person)
local recipient = read_recipient(recipients_key, person)
if not recipient then
  return false
end
local before = recipient.state
if state == 'sent' then
  accept(counts_key, recipient)
  recipient.sid = message_sid
  if before == 'sending' or before == 'uncertain' then
    recipient.state, recipient.code = 'sent', ''
  end
elseif before == 'sending' and state == 'uncertain' then
  recipient.state = 'uncertain'
elseif before == 'sending' then
  fail_or_retry(pending_key, counts_key, person, recipient, code, counted_as, moments)
  take_marketing_back(permit_key, broadcast)
end
write_recipient(recipients_key, counts_key, person, recipient, before)
return {before, recipient.state}
