-- Suppresses a person: at once, or once enough broadcasts met an error that may mean so. That is kept as long as the
-- contact record, and of a person without one (erased, perhaps) nothing is kept.
-- KEYS permit, contact
-- ARGV code, broadcast, needed
-- code: Twilio's error code. broadcast: the one that met it, "" where the code alone is enough. needed: how many broadcasts.
local life = redis.call('PTTL', contact_key)
if life == -2 then
  return 0
end
local met = 0
if broadcast ~= '' then
  redis.call('HSET', permit_key, 'trouble:' .. broadcast, code)
  for _, name in ipairs(redis.call('HKEYS', permit_key)) do
    if string.sub(name, 1, 8) == 'trouble:' then
      met = met + 1
    end
  end
end
-- A STOP that Twilio heard (21610) outlasts what a message of the person's lifts: it is never written over.
if met >= tonumber(needed) and redis.call('HGET', permit_key, 'suppressed') ~= '21610' then
  redis.call('HSET', permit_key, 'suppressed', code)
end
if life > 0 then
  redis.call('PEXPIRE', permit_key, life)
end
return 1
