-- Begins to join a record to another record of the same person, if it is still the one that the caller read: the address's
-- own hash leads to the other record from now on, and nothing goes out in the name of this one. The stricter consent of
-- the two holds here as well.
-- KEYS session, contact, opt_out, permit, alias
-- ARGV version_bytes, session_version, contact_version, opt_out, alias, alias_life
-- alias: that of the record's own hash. opt_out: "" for none. alias_life: in ms, 0 for good.
-- Returns 1 when it was done, else 0.
if not is_unchanged(redis.call('GET', session_key), session_version)
    or not is_unchanged(redis.call('GET', contact_key), contact_version) then
  return 0
end
redis.call('HSET', permit_key, 'suppressed', 'joined')
local contact_life = redis.call('PTTL', contact_key)
if contact_life > 0 then
  redis.call('PEXPIRE', permit_key, contact_life)
end
if opt_out ~= '' and redis.call('EXISTS', opt_out_key) == 0 then
  redis.call('SET', opt_out_key, opt_out)
  redis.call('HDEL', permit_key, 'updates')
end
write_alias(alias_key, alias, alias_life)
return 1
