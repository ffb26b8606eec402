-- Changes what is known of a person without a message of theirs, if the contact record is still as it was looked at;
-- otherwise hands back the newer state. It lives no longer for that.
-- KEYS: session, contact, draft, opt-out, permit, link, alias of the person's own hash.
-- ARGV: head length, expected contact head, contact, opt-out ("": none), times of the yes to service
--       (see consents.lua) and to news (ms, "": none).
local contact = redis.call('GET', KEYS[2])
if string.sub(contact or '', 1, tonumber(ARGV[1])) ~= ARGV[2] then
  return {0, redis.call('GET', KEYS[1]), contact, unpack(redis.call('MGET', KEYS[3], KEYS[4], KEYS[6], KEYS[7]))}
end
if ARGV[4] == '' then
  redis.call('DEL', KEYS[4])
else
  redis.call('SET', KEYS[4], ARGV[4])
  -- The addresses of whoever opted out are kept as long (see commit.lua).
  redis.call('PERSIST', KEYS[6])
end
if contact then
  local life = redis.call('PTTL', KEYS[2])
  redis.call('SET', KEYS[2], ARGV[3], 'KEEPTTL')
  write_consents(KEYS[5], ARGV[5], ARGV[6])
  if life > 0 then
    redis.call('PEXPIRE', KEYS[5], life)
  end
end
return {1}
