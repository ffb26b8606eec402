-- Changes a person's opt-out and consents without a message of the person, if the contact record is still the one that
-- the caller read; otherwise returns the newer record. Nothing lives longer for it.
-- KEYS session, contact, draft, opt_out, permit, link, alias
-- ARGV version_bytes, contact_version, contact, opt_out, service_consent, news_consent
-- "" stands for no opt-out and for no consent (see consents.lua).
-- Returns {1}, or {0, session, contact, draft, opt-out, link, alias} as they are now.
local stored_contact = redis.call('GET', contact_key)
if not is_unchanged(stored_contact, contact_version) then
  return {0, redis.call('GET', session_key), stored_contact,
    unpack(redis.call('MGET', draft_key, opt_out_key, link_key, alias_key))}
end
if opt_out == '' then
  redis.call('DEL', opt_out_key)
else
  redis.call('SET', opt_out_key, opt_out)
  -- The addresses of a person who opted out are kept as long (see commit.lua).
  redis.call('PERSIST', link_key)
end
if stored_contact then
  local life = redis.call('PTTL', contact_key)
  redis.call('SET', contact_key, contact, 'KEEPTTL')
  write_consents(permit_key, service_consent, news_consent)
  if life > 0 then
    redis.call('PEXPIRE', permit_key, life)
  end
end
return {1}
