-- Shared by the scripts that move a broadcast's rows. A row is state|code|MessageSid|tries|accepted.
local function read_row(rows, person)
  local text = redis.call('HGET', rows, person)
  if not text then
    return nil
  end
  local state, code, sid, tries, accepted = string.match(text, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)$')
  return {state = state, code = code, sid = sid, tries = tonumber(tries), accepted = accepted == '1'}
end

local function write_row(rows, counts, person, row, before)
  local accepted = row.accepted and '1' or '0'
  local text = table.concat({row.state, row.code, row.sid, tostring(row.tries), accepted}, '|')
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
    row.accepted = true
    redis.call('HINCRBY', counts, 'accepted', 1)
  end
end
