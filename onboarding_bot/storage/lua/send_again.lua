-- Makes an uncertain recipient pending again.
-- KEYS pending, recipients, counts, permit
-- ARGV person, broadcast, now
-- now: ms. Returns 1 when the recipient was uncertain.
local recipient = read_recipient(recipients_key, person)
if not recipient or recipient.state ~= 'uncertain' then
  return 0
end
recipient.state, recipient.retries, recipient.later = 'pending', 0, 0
write_recipient(recipients_key, counts_key, person, recipient, 'uncertain')
redis.call('ZADD', pending_key, now, person)
take_marketing_back(permit_key, broadcast)
return 1
