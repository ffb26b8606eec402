-- Hides a record that has been silent for so long that its phone number may have been passed on, if it is as it was looked
-- at: the number goes to the person who writes from it now, and nothing more goes out in the name of the record.
-- KEYS: session, contact, permit, alias of the record's own hash. ARGV: head length, expected session head,
-- expected contact head, alias to write.
-- Returns whether it was done.
local SESSION, CONTACT, PERMIT, ALIAS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local head, expected_session, expected_contact, alias = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local session, contact = redis.call('GET', SESSION) or '', redis.call('GET', CONTACT) or ''
if string.sub(session, 1, head) ~= expected_session or string.sub(contact, 1, head) ~= expected_contact then
  return 0
end
redis.call('SET', ALIAS, alias)
redis.call('HSETNX', PERMIT, 'suppressed', 'hidden')
local life = redis.call('PTTL', CONTACT)
if life > 0 then
  redis.call('PEXPIRE', PERMIT, life)
end
return 1
