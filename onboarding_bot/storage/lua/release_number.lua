-- Takes a phone number from a person who has lost it, if the contact record is still the one that the caller read: the
-- person is written to by user id from now on. Where the person's id is the number's own hash, the number leads to its new
-- holder at once.
-- KEYS contact, link, alias
-- ARGV version_bytes, contact_version, contact, link, alias
-- contact: "" when there is none. alias: that of the person's own hash, "" when that is the hash of another address.
-- Returns 1 when it was done, else 0.
if not is_unchanged(redis.call('GET', contact_key), contact_version) then
  return 0
end
if contact ~= '' then
  redis.call('SET', contact_key, contact, 'KEEPTTL')
end
redis.call('SET', link_key, link, 'KEEPTTL')
if alias ~= '' then
  redis.call('SET', alias_key, alias)
end
return 1
