-- Takes a person out of the due work, if nothing changed since it was found that there is nothing to be done: whoever
-- wrote meanwhile has written down work of their own.
-- KEYS: session, due work. ARGV: head length, expected session head, member. Returns how many were taken out.
local session = redis.call('GET', KEYS[1])
if string.sub(session or '', 1, tonumber(ARGV[1])) ~= ARGV[2] then
  return 0
end
return redis.call('ZREM', KEYS[2], ARGV[3])
