-- Says of a record that it is about to be joined to another one, if it is as it was looked at: from now on its own hash
-- leads there, and the stricter consent of the two holds for it as well.
-- Until it has ended, nothing goes out in its name: the person is written to under the other one.
-- KEYS: session, contact, opt-out, permit, alias of the record's own hash.
-- ARGV: head length, expected session head, expected contact head, opt-out ("": none), alias to write, its life (ms, 0: for
--       good).
-- Returns whether it was done.
local SESSION, CONTACT, OPT_OUT, PERMIT, ALIAS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local head, session, contact = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local opt_out, alias, life = ARGV[4], ARGV[5], tonumber(ARGV[6])
if string.sub(redis.call('GET', SESSION) or '', 1, head) ~= session
    or string.sub(redis.call('GET', CONTACT) or '', 1, head) ~= contact then
  return 0
end
redis.call('HSET', PERMIT, 'suppressed', 'joined')
local contact_life = redis.call('PTTL', CONTACT)
if contact_life > 0 then
  redis.call('PEXPIRE', PERMIT, contact_life)
end
if opt_out ~= '' and redis.call('EXISTS', OPT_OUT) == 0 then
  redis.call('SET', OPT_OUT, opt_out)
  redis.call('HDEL', PERMIT, 'updates')
end
if life > 0 then
  redis.call('SET', ALIAS, alias, 'PX', life)
else
  redis.call('SET', ALIAS, alias)
end
return 1
