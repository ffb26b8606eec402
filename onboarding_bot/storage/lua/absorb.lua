-- Ends a record that was joined to another one, if it is still as it was joined: its own hash leads to the other from now
-- on. What broadcasts have not sent to it yet is skipped; what they have sent waits for its callbacks.
-- KEYS: session, contact, draft, opt-out, permit, link, alias of the record's own hash, due work, contact index, then the step
--       indexes, then rows, counts and pending of each broadcast.
-- ARGV: head length, expected session head, expected contact head, person, alias to write, its life (ms, 0: for good), kinds
--       of due work, how many step indexes there are.
-- Returns {1}, or {0, session, contact, draft, opt-out, link, alias} as they are now.
local SESSION, CONTACT, DRAFT, OPT_OUT, PERMIT, LINK, ALIAS = unpack(KEYS, 1, 7)
local DUE, CONTACTS, FIRST_STEP = KEYS[8], KEYS[9], 10
local head, expected_session, expected_contact, person = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local alias, life, kinds, steps = ARGV[5], tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8])
local session, contact = redis.call('GET', SESSION), redis.call('GET', CONTACT)
if string.sub(session or '', 1, head) ~= expected_session or string.sub(contact or '', 1, head) ~= expected_contact then
  return {0, session, contact, unpack(redis.call('MGET', DRAFT, OPT_OUT, LINK, ALIAS))}
end
redis.call('DEL', SESSION, CONTACT, DRAFT, OPT_OUT, PERMIT, LINK)
if life > 0 then
  redis.call('SET', ALIAS, alias, 'PX', life)
else
  redis.call('SET', ALIAS, alias)
end
for kind in string.gmatch(kinds, '%S+') do
  redis.call('ZREM', DUE, kind .. ':' .. person)
end
redis.call('ZREM', CONTACTS, person)
-- The session goes on under the other record: it has not ended here.
for index = FIRST_STEP, FIRST_STEP + steps - 1 do
  redis.call('ZREM', KEYS[index], person)
end
for index = FIRST_STEP + steps, #KEYS, 3 do
  skip_pending_recipient(KEYS[index], KEYS[index + 1], KEYS[index + 2], person)
end
return {1}
