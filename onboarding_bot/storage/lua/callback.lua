-- Moves a row by a status callback, never backwards; callbacks come in any order, and more than once.
-- KEYS: pending, rows, counts, inflight, permit.
-- ARGV: person, broadcast, state (sent, delivered, read, failed), code, MessageSid, as what it is counted when it is tried
--       again, then the moments of trying again (ms).
-- Returns the row's state before and after, or nothing when there is no such row.
local RANK = {sending = 1, uncertain = 1, sent = 2, failed = 3, delivered = 4, read = 5}

-- A message that was said to have failed has arrived: it is counted among the failures no more.
local function unfail(counts, row, before, sid)
  local name = before == 'failed' and 'failed:' or row.sid == sid and 'waits:'
  if name and tonumber(redis.call('HGET', counts, name .. row.code) or 0) > 0 then
    redis.call('HINCRBY', counts, name .. row.code, -1)
  end
end

-- Nor does that failure speak against the person any more; a STOP at Twilio (21610) is the person's own word, and stays.
local function forgive(permit, broadcast, code)
  redis.call('HDEL', permit, 'trouble:' .. broadcast)
  if code ~= '21610' and redis.call('HGET', permit, 'suppressed') == code then
    redis.call('HDEL', permit, 'suppressed')
  end
end

local person, broadcast, state, sid = ARGV[1], ARGV[2], ARGV[3], ARGV[5]
local row = read_row(KEYS[2], person)
if not row then
  return {}
end
local before, arrives = row.state, state == 'delivered' or state == 'read'
local is_earlier = string.find(row.earlier, sid, 1, true)
local rank = RANK[before]
if before == 'pending' then
  -- A row may wait while nobody knows here that its message went out: an admin had it sent again, or a restored backup
  -- is older than the message. Whoever got it does not get another one. Otherwise a message failed, as far as is known.
  rank = (row.sid == '' and not is_earlier) and 0 or RANK.failed
  if rank == 0 and state == 'failed' then
    return {before, before}
  end
end
local is_other_message = row.sid ~= sid and (row.sid ~= '' or is_earlier)
-- Of an earlier message only one thing concerns a row that would be tried again, or has failed: it arrived after all.
local is_news = not is_other_message or (is_earlier and arrives and rank == RANK.failed)
if not rank or not is_news or RANK[state] <= rank then
  return {before, before}
end
redis.call('ZREM', KEYS[1], person)
redis.call('ZREM', KEYS[4], person)
accept(KEYS[3], row)
if arrives and rank == RANK.failed then
  unfail(KEYS[3], row, before, sid)
  take_marketing_place_again(KEYS[5], broadcast)
  forgive(KEYS[5], broadcast, row.code)
end
row.sid = sid
if state == 'failed' then
  fail_or_wait(KEYS[1], KEYS[3], person, row, ARGV[4], ARGV[6], 7)
  if row.state == 'pending' then
    redis.call('HINCRBY', KEYS[3], 'waits:' .. row.code, 1)
  end
  give_marketing_place_back(KEYS[5], broadcast)
else
  row.state, row.code = state, ''
end
write_row(KEYS[2], KEYS[3], person, row, before)
return {before, row.state}
