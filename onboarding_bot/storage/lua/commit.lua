-- Writes one turn, if the person's record is still as the turn was computed for; otherwise returns the newer one.
-- KEYS session, contact, draft, opt_out, permit, link, alias, due, contacts, counters, day, current_step, step...
-- ARGV version_bytes, session_version, contact_version, expected_alias, person, now, last_inbound_at,
--   session, session_life, contact, contact_life, draft, draft_life, opt_out, service_consent, news_consent,
--   asked_for_messages_at, answers_message, link, link_life, day_life, due..., ended..., counts..., day_counts...
-- Moments are Unix times and lives are spans, both in ms. "" stands for no draft, no opt-out, no consent (see consents.lua),
-- no START or UPDATES so far, and for a link that stays as it is.
-- answers_message: 1 when the turn answers a message of the person that no earlier turn has answered.
-- due: members of the due work, each with its time ("": not due). ended: the position of the sessions that ended in each
-- step, in the order of the step indexes. counts: names and sums. day_counts: positions and sums.
-- Returns {1}, or {0, session, contact, draft, opt-out, link, alias} as they are now.

-- START and UPDATES lift every suppression, and any message those that rest on an error code: a person who writes has not
-- blocked us, and has a number. A STOP that Twilio received (21610) stays. Blocking us ends the yes to news as well.
local function lift_suppression(permit, has_written, asked_at)
  local asked_before_at, suppressed, news = unpack(redis.call('HMGET', permit, 'asked_at', 'suppressed', 'updates'))
  local asks = asked_at ~= '' and asked_before_at ~= asked_at
  if asks then
    redis.call('HSET', permit, 'asked_at', asked_at)
  end
  if not suppressed or not (asks or (has_written and suppressed ~= '21610')) then
    return
  end
  redis.call('HDEL', permit, 'suppressed')
  for _, name in ipairs(redis.call('HKEYS', permit)) do
    if string.sub(name, 1, 8) == 'trouble:' then
      redis.call('HDEL', permit, name)
    end
  end
  if suppressed == '63014' and news then
    redis.call('HSET', permit, 'updates_void', news)
  end
end

local stored_session, stored_contact = redis.call('GET', session_key), redis.call('GET', contact_key)
-- A person who has become an alias meanwhile is written to under another id.
if not is_unchanged(stored_session, session_version) or not is_unchanged(stored_contact, contact_version)
    or (redis.call('GET', alias_key) or '') ~= expected_alias then
  return {0, stored_session, stored_contact, unpack(redis.call('MGET', draft_key, opt_out_key, link_key, alias_key))}
end

-- A contact record, too, lives from the person's last message: a reminder adds nothing to its life.
local contact_left = math.max(1, last_inbound_at + contact_life - now)
redis.call('SET', session_key, session, 'PX', session_life)
redis.call('SET', contact_key, contact, 'PX', contact_left)
if draft == '' then
  redis.call('DEL', draft_key)
else
  redis.call('SET', draft_key, draft, 'PX', draft_life)
end
-- An opt-out outlives everything else that is known of the person.
if opt_out == '' then
  redis.call('DEL', opt_out_key)
else
  local broadcast = redis.call('EXISTS', opt_out_key) == 0 and redis.call('HGET', permit_key, 'last_broadcast')
  if broadcast then
    local broadcast_counts = string.match(permit_key, '^{s%d+}') .. ':broadcast:' .. broadcast .. ':counts'
    if redis.call('EXISTS', broadcast_counts) == 1 then
      redis.call('HINCRBY', broadcast_counts, 'stops', 1)
    end
  end
  redis.call('SET', opt_out_key, opt_out)
end
lift_suppression(permit_key, answers_message == '1', asked_for_messages_at)
write_consents(permit_key, service_consent, news_consent)
redis.call('PEXPIRE', permit_key, contact_left)
for index = 1, #due, 2 do
  local member, due_at = due[index], due[index + 1]
  if due_at == '' then
    redis.call('ZREM', due_key, member)
  else
    redis.call('ZADD', due_key, due_at, member)
  end
end
redis.call('ZADD', contacts_key, last_inbound_at, person)
redis.call('ZREMRANGEBYSCORE', contacts_key, '-inf', now - contact_life)

local increments = {}
leave_step(increments, step_keys, ended, person, not stored_session)
count_expired(increments, step_keys, ended, now)
redis.call('ZADD', current_step_key, now + session_life, person)

-- The addresses of a person who opted out stay as well: they tell whose the number is afterwards.
if link ~= '' then
  redis.call('SET', link_key, link)
end
if opt_out == '' then
  redis.call('PEXPIRE', link_key, contact_left + link_life - contact_life)
else
  redis.call('PERSIST', link_key)
end

for index = 1, #counts, 2 do
  redis.call('HINCRBY', counters_key, counts[index], counts[index + 1])
end
for index = 1, #day_counts, 2 do
  count(increments, day_counts[index], day_counts[index + 1])
end
write_day(day_key, increments, day_life)
return {1}
