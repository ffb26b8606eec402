-- Takes a phone number from a person who has lost it, if the contact record is as it was looked at: from now on the person
-- is written to by user id. Where the person's id is the number's own hash, the number goes to its new holder at once.
-- KEYS: contact, link, alias of the person's own hash.
-- ARGV: head length, expected contact head, contact, link, alias to write ("": the number has another hash).
-- Returns whether it was done.
local CONTACT, LINK, ALIAS = KEYS[1], KEYS[2], KEYS[3]
local head, expected, contact, link, alias = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if string.sub(redis.call('GET', CONTACT) or '', 1, head) ~= expected then
  return 0
end
if contact ~= '' then
  redis.call('SET', CONTACT, contact, 'KEEPTTL')
end
redis.call('SET', LINK, link, 'KEEPTTL')
if alias ~= '' then
  redis.call('SET', ALIAS, alias)
end
return 1
