-- Undoes a claim of which nothing was sent: the recipient waits again as if it had not been claimed.
-- KEYS pending, recipients, counts, inflight, permit
-- ARGV person, broadcast, now
-- now: ms. Returns 1 when the recipient was claimed.
local recipient = read_recipient(recipients_key, person)
if redis.call('ZREM', inflight_key, person) == 0 or recipient.state ~= 'sending' then
  return 0
end
recipient.state, recipient.tries = 'pending', recipient.tries - 1
write_recipient(recipients_key, counts_key, person, recipient, 'sending')
redis.call('ZADD', pending_key, now, person)
take_marketing_back(permit_key, broadcast)
return 1
