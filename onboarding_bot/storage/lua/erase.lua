-- Erases a person's record, if it is still the one that the caller read; otherwise returns the newer one. What went out to
-- the person stays counted, under names that lead back to no one.
-- KEYS session, contact, draft, opt_out, permit, link, alias, due, contacts, erasures, unlogged, counters, day, step...,
--   erasure_reply..., deletion..., audience..., recipients..., counts..., pending..., inflight...
-- ARGV version_bytes, session_version, contact_version, expected_alias, person, now, tombstone,
--   erasure_reply, erasure_reply_life, alias_life, deletion_life, deletion_due_at, day_life,
--   due..., ended..., deletions..., deletion_members..., counts..., day_counts..., anonymous_names...
-- Moments are Unix times and lives are spans, both in ms.
-- tombstone: the opt-out that stays. erasure_reply: what copies of the person's earlier messages are answered with.
-- alias_life: what the alias has left, "" as long as before, 0 nothing. due: the person's members of the due work.
-- ended: the position of the sessions that ended in each step. deletions and deletion_members: the messages to delete at
-- Twilio, one for each address, and their members of the due work. counts: names and sums. day_counts: positions and sums.
-- audience to inflight, and anonymous_names: one of each broadcast, in the same order.
-- Returns {1}, or {0, session, contact, draft, opt-out, link, alias} as they are now.
local session, contact = redis.call('GET', session_key), redis.call('GET', contact_key)
if not is_unchanged(session, session_version) or not is_unchanged(contact, contact_version)
    or (redis.call('GET', alias_key) or '') ~= expected_alias then
  return {0, session, contact, unpack(redis.call('MGET', draft_key, opt_out_key, link_key, alias_key))}
end

redis.call('DEL', session_key, contact_key, draft_key, permit_key, link_key)
redis.call('SET', opt_out_key, tombstone)
if alias_life == '0' then
  redis.call('DEL', alias_key)
elseif alias_life ~= '' then
  redis.call('PEXPIRE', alias_key, alias_life)
end
for _, member in ipairs(due) do
  redis.call('ZREM', due_key, member)
end
redis.call('ZREM', contacts_key, person)
redis.call('ZADD', erasures_key, now, person)
redis.call('ZADD', unlogged_key, now, person)
for _, copy in ipairs(erasure_reply_keys) do
  redis.call('SET', copy, erasure_reply, 'PX', erasure_reply_life)
end
for number, deletion in ipairs(deletions) do
  redis.call('SET', deletion_keys[number], deletion, 'PX', deletion_life)
  redis.call('ZADD', due_key, deletion_due_at, deletion_members[number])
end
local increments = {}
-- A session that is erased has ended in its step.
leave_step(increments, step_keys, ended, person, true)
for index = 1, #counts, 2 do
  redis.call('HINCRBY', counters_key, counts[index], counts[index + 1])
end
for index = 1, #day_counts, 2 do
  count(increments, day_counts[index], day_counts[index + 1])
end
write_day(day_key, increments, day_life)

local function make_anonymous(audience, recipients, broadcast_counts, pending, inflight, name)
  local rank = redis.call('ZSCORE', audience, person)
  if rank then
    -- Recipients are added by rank: the others keep theirs.
    redis.call('ZREM', audience, person)
    redis.call('ZADD', audience, rank, name)
  end
  redis.call('ZREM', pending, person)
  redis.call('ZREM', inflight, person)
  local recipient = read_recipient(recipients, person)
  if not recipient then
    return
  end
  local before = recipient.state
  if before == 'pending' then
    recipient.state, recipient.code = 'skipped', 'opted_out'
    redis.call('HINCRBY', broadcast_counts, 'skipped:opted_out', 1)
  elseif before == 'sending' then
    -- Its result can be written under no name any more.
    recipient.state = 'uncertain'
  end
  recipient.sid, recipient.earlier = '', ''
  redis.call('HDEL', recipients, person)
  -- The moment of the erasure would tell which recipients belong together, and to whom: the list of erasures knows it.
  write_recipient(recipients, broadcast_counts, name, recipient, before, recipient.changed)
end

for number, name in ipairs(anonymous_names) do
  make_anonymous(audience_keys[number], recipients_keys[number], counts_keys[number], pending_keys[number],
    inflight_keys[number], name)
end
return {1}
