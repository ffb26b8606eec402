-- Writes down how a send ended. A callback may have been quicker: it is never moved back.
-- KEYS: pending, rows, counts, inflight, permit. ARGV: person, state, code, MessageSid, when to try again (ms, 0: not),
-- 1 when the message is known not to be out (its place among the person's marketing messages is given back).
local person, state = ARGV[1], ARGV[2]
redis.call('ZREM', KEYS[4], person)
local row = read_row(KEYS[2], person)
if not row then
  return 'gone'
end
local before = row.state
if state == 'sent' then
  accept(KEYS[3], row)
  row.sid, row.code = ARGV[4], row.state == 'failed' and row.code or ''
  if before == 'sending' or before == 'uncertain' then
    row.state = 'sent'
  end
elseif before == 'sending' then
  row.state, row.code = state, ARGV[3]
  if state == 'pending' then
    redis.call('ZADD', KEYS[1], ARGV[5], person)
  end
  if ARGV[6] == '1' then
    local earlier = redis.call('HGET', KEYS[5], 'marketing_before')
    if earlier then
      redis.call('HSET', KEYS[5], 'last_marketing', earlier, 'marketing_before', '0')
    end
  end
end
if row.state == 'failed' and before ~= 'failed' then
  redis.call('HINCRBY', KEYS[3], 'failed:' .. row.code, 1)
end
write_row(KEYS[2], KEYS[3], person, row, before)
return row.state
