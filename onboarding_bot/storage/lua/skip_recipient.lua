-- Shared: a pending recipient is skipped, because the person is written to under another record.
local function skip_pending_recipient(recipients, counts, pending, person)
  if redis.call('ZREM', pending, person) == 0 then
    return
  end
  local recipient = read_recipient(recipients, person)
  if recipient and recipient.state == 'pending' then
    recipient.state, recipient.code = 'skipped', 'suppressed'
    write_recipient(recipients, counts, person, recipient, 'pending')
    redis.call('HINCRBY', counts, 'skipped:suppressed', 1)
  end
end
