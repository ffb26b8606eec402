-- Ends a record whose state another record of the same person has taken over, if it is still as it was then: its own hash
-- leads to the other record from now on. Broadcasts skip it where they have not sent yet; where they have, it stays a recipient
-- for the callbacks.
-- KEYS session, contact, draft, opt_out, permit, link, alias, due, contacts, step..., recipients..., counts..., pending...
-- ARGV version_bytes, session_version, contact_version, person, alias, alias_life, due...
-- alias: that of the record's own hash. alias_life: in ms, 0 for good. due: the record's members of the due work.
-- recipients, counts, pending: one of each broadcast, in the same order.
-- Returns {1}, or {0, session, contact, draft, opt-out, link, alias} as they are now.
local session, contact = redis.call('GET', session_key), redis.call('GET', contact_key)
if not is_unchanged(session, session_version) or not is_unchanged(contact, contact_version) then
  return {0, session, contact, unpack(redis.call('MGET', draft_key, opt_out_key, link_key, alias_key))}
end
redis.call('DEL', session_key, contact_key, draft_key, opt_out_key, permit_key, link_key)
write_alias(alias_key, alias, alias_life)
for _, member in ipairs(due) do
  redis.call('ZREM', due_key, member)
end
redis.call('ZREM', contacts_key, person)
-- The session goes on under the other record: it has not ended here.
for _, index in ipairs(step_keys) do
  redis.call('ZREM', index, person)
end
for number, recipients in ipairs(recipients_keys) do
  skip_pending_recipient(recipients, counts_keys[number], pending_keys[number], person)
end
return {1}
