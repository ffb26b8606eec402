-- Has nobody write to a person any more: at once, or when enough broadcasts met an error that may mean so. It is kept as
-- long as the contact record, and of somebody without one (erased, perhaps) nothing is kept.
-- KEYS: permit, contact. ARGV: error code, then the broadcast that met it and how many it takes, or neither.
local life = redis.call('PTTL', KEYS[2])
if life == -2 then
  return 0
end
local strikes, needed = 0, tonumber(ARGV[3] or 0)
if ARGV[2] then
  redis.call('HSET', KEYS[1], 'trouble:' .. ARGV[2], ARGV[1])
  for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(name, 1, 8) == 'trouble:' then
      strikes = strikes + 1
    end
  end
end
-- A STOP that Twilio heard (21610) outlasts what a message of the person's lifts: it is never written over.
if strikes >= needed and redis.call('HGET', KEYS[1], 'suppressed') ~= '21610' then
  redis.call('HSET', KEYS[1], 'suppressed', ARGV[1])
end
if life > 0 then
  redis.call('PEXPIRE', KEYS[1], life)
end
return 1
