-- Hides a record that has been silent for so long that its phone number may have a new holder, if it is still the one that
-- the caller read: the number leads to the person who writes from it now, and nothing goes out in the name of the record.
-- KEYS session, contact, permit, alias
-- ARGV version_bytes, session_version, contact_version, alias
-- alias: that of the record's own hash.
-- Returns 1 when it was done, else 0.
if not is_unchanged(redis.call('GET', session_key), session_version)
    or not is_unchanged(redis.call('GET', contact_key), contact_version) then
  return 0
end
redis.call('SET', alias_key, alias)
redis.call('HSETNX', permit_key, 'suppressed', 'hidden')
local life = redis.call('PTTL', contact_key)
if life > 0 then
  redis.call('PEXPIRE', permit_key, life)
end
return 1
