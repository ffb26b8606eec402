-- Takes a member out of the due work, unless its person wrote since the caller read the session: that turn has written due
-- work of its own.
-- KEYS session, due
-- ARGV version_bytes, session_version, member
-- Returns how many members were taken out.
if not is_unchanged(redis.call('GET', session_key), session_version) then
  return 0
end
return redis.call('ZREM', due_key, member)
