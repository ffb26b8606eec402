-- Moves a recipient by a status callback, never backwards; callbacks come in any order, and more than once.
-- KEYS pending, recipients, counts, inflight, permit
-- ARGV person, broadcast, state, code, message_sid, counted_as, moments...
-- state: sent, delivered, read or failed. counted_as and moments (ms): see fail_or_retry in recipients.lua.
-- Returns the states before and after, or nothing without such a recipient.
local RANK = {sending = 1, uncertain = 1, sent = 2, failed = 3, delivered = 4, read = 5}

-- A message that was said to have failed has arrived: it is no longer counted among the failures.
local function uncount_failure(counts, recipient, before, sid)
  local name = before == 'failed' and 'failed:' or recipient.sid == sid and 'waits:'
  if name and tonumber(redis.call('HGET', counts, name .. recipient.code) or 0) > 0 then
    redis.call('HINCRBY', counts, name .. recipient.code, -1)
  end
end

-- Nor does that failure suppress the person any more; a STOP at Twilio (21610) is the person's own word, and stays.
local function lift_suppression(permit, broadcast, code)
  redis.call('HDEL', permit, 'trouble:' .. broadcast)
  if code ~= '21610' and redis.call('HGET', permit, 'suppressed') == code then
    redis.call('HDEL', permit, 'suppressed')
  end
end

local recipient = read_recipient(recipients_key, person)
if not recipient then
  return {}
end
local before, arrives = recipient.state, state == 'delivered' or state == 'read'
local is_earlier = string.find(recipient.earlier, message_sid, 1, true)
local rank = RANK[before]
if before == 'pending' then
  -- A recipient may wait though its message went out: an admin had it sent again, or a restored backup is older than the
  -- message. A person who got that message does not get another one. Otherwise a message failed, as far as is known.
  rank = (recipient.sid == '' and not is_earlier) and 0 or RANK.failed
  if rank == 0 and state == 'failed' then
    return {before, before}
  end
end
local is_other_message = recipient.sid ~= message_sid and (recipient.sid ~= '' or is_earlier)
-- Of an earlier message only one thing concerns a recipient that would be tried again, or has failed: it arrived after all.
local is_news = not is_other_message or (is_earlier and arrives and rank == RANK.failed)
if not rank or not is_news or RANK[state] <= rank then
  return {before, before}
end
redis.call('ZREM', pending_key, person)
redis.call('ZREM', inflight_key, person)
accept(counts_key, recipient)
if arrives and rank == RANK.failed then
  uncount_failure(counts_key, recipient, before, message_sid)
  restore_marketing(permit_key, broadcast)
  lift_suppression(permit_key, broadcast, recipient.code)
end
recipient.sid = message_sid
if state == 'failed' then
  fail_or_retry(pending_key, counts_key, person, recipient, code, counted_as, moments)
  if recipient.state == 'pending' then
    redis.call('HINCRBY', counts_key, 'waits:' .. recipient.code, 1)
  end
  take_marketing_back(permit_key, broadcast)
else
  recipient.state, recipient.code = state, ''
end
write_recipient(recipients_key, counts_key, person, recipient, before)
return {before, recipient.state}
