-- Shared by the scripts that move a broadcast's rows. A row is
-- state|code|MessageSid|tries|accepted|retries|later|earlier|changed: "accepted" is when Twilio first took a message (ms;
-- 0: not yet; 1: in a release that did not note when), "retries" and "later" count how often it was put off for each of
-- these reasons, "earlier" are the MessageSids of earlier tries, of which Twilio may still tell something, and "changed" is
-- when the row was last written (ms; missing in rows of such a release).
local time = redis.call('TIME')
local written_at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))

local function read_row(rows, person)
  local text = redis.call('HGET', rows, person)
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

-- ``changed`` is the present moment, unless something else is given.
local function write_row(rows, counts, person, row, before, changed)
  local text = table.concat({row.state, row.code, row.sid, tostring(row.tries), row.accepted or '0',
    tostring(row.retries), tostring(row.later), row.earlier, changed or written_at}, '|')
  redis.call('HSET', rows, person, text)
  if before ~= row.state then
    if before then
      redis.call('HINCRBY', counts, before, -1)
    end
    redis.call('HINCRBY', counts, row.state, 1)
  end
end

-- Twilio took the message: that is counted once, whoever tells it first.
local function accept(counts, row)
  if not row.accepted then
    row.accepted = written_at
    redis.call('HINCRBY', counts, 'accepted', 1)
  end
end

-- A message failed. It waits for the next of the moments in ARGV from ``first`` on, by the row's own count named
-- ``counted_as`` ("" is not counted: it is always the first one, and the retries begin anew); when none is left, the row
-- has failed.
local function fail_or_wait(pending, counts, person, row, code, counted_as, first)
  local moment = ARGV[first + (row[counted_as] or 0)]
  row.code = code
  if moment then
    if row[counted_as] then
      row[counted_as] = row[counted_as] + 1
    else
      row.retries = 0
    end
    row.state = 'pending'
    redis.call('ZADD', pending, moment, person)
  else
    row.state = 'failed'
    redis.call('HINCRBY', counts, 'failed:' .. code, 1)
  end
end
