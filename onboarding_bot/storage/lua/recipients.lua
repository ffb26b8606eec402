-- Shared by the scripts that read and write the recipients of a broadcast. One recipient is stored as
-- state|code|MessageSid|tries|accepted|retries|later|earlier|changed: "accepted" is when Twilio first took a message (ms;
-- 0: not yet; 1: in a release that did not note when), "retries" and "later" count how often it was tried again for each of
-- these reasons, "earlier" are the MessageSids of earlier tries, for which callbacks may still come, and "changed" is when
-- the recipient was last written (ms; missing where such a release wrote it).
local seconds, microseconds = unpack(redis.call('TIME'))
local written_at = string.format('%.0f', seconds * 1000 + math.floor(microseconds / 1000))

local function read_recipient(recipients, person)
  local text = redis.call('HGET', recipients, person)
  if not text then
    return nil
  end
  local state, code, sid, tries, accepted, retries, later, earlier = string.match(
    text, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)')
  return {
    state = state, code = code, sid = sid, tries = tonumber(tries), accepted = accepted ~= '0' and accepted or nil,
    retries = tonumber(retries), later = tonumber(later), earlier = earlier,
    changed = string.match(text, '^' .. string.rep('[^|]*|', 8) .. '([^|]*)$') or '0',
  }
end

-- ``before`` is the state until now, nil for a new recipient; ``changed`` is the present moment, unless another is given.
local function write_recipient(recipients, counts, person, recipient, before, changed)
  local text = table.concat({recipient.state, recipient.code, recipient.sid, tostring(recipient.tries),
    recipient.accepted or '0', tostring(recipient.retries), tostring(recipient.later), recipient.earlier,
    changed or written_at}, '|')
  redis.call('HSET', recipients, person, text)
  if before ~= recipient.state then
    if before then
      redis.call('HINCRBY', counts, before, -1)
    end
    redis.call('HINCRBY', counts, recipient.state, 1)
  end
end

-- Twilio took a message for this recipient: that is counted once, whether its answer or a callback says it first.
local function accept(counts, recipient)
  if not recipient.accepted then
    recipient.accepted = written_at
    redis.call('HINCRBY', counts, 'accepted', 1)
  end
end

-- A message failed. The recipient waits for the next of ``moments`` (ms), by its own count named ``counted_as`` ("" is not
-- counted: it is always the first moment, and the retries begin anew); when no moment is left, the recipient has failed.
local function fail_or_retry(pending, counts, person, recipient, code, counted_as, moments)
  local moment = moments[(recipient[counted_as] or 0) + 1]
  recipient.code = code
  if moment then
    if recipient[counted_as] then
      recipient[counted_as] = recipient[counted_as] + 1
    else
      recipient.retries = 0
    end
    recipient.state = 'pending'
    redis.call('ZADD', pending, moment, person)
  else
    recipient.state = 'failed'
    redis.call('HINCRBY', counts, 'failed:' .. code, 1)
  end
end
