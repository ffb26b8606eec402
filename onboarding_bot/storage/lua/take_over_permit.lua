-- Brings a permit up to what another record of the same person allows: a suppression counts for both, and so do the last
-- marketing messages. Doing it twice changes nothing.
-- KEYS: permit, contact. ARGV: suppressed ("": not), the other's last marketing message and the one before (ms, 0: none).
local PERMIT, CONTACT = KEYS[1], KEYS[2]
local suppressed = ARGV[1]
if suppressed ~= '' then
  redis.call('HSETNX', PERMIT, 'suppressed', suppressed)
end
local known = redis.call('HMGET', PERMIT, 'last_marketing', 'marketing_before')
local times, seen = {}, {}
for _, time in ipairs({known[1] or '0', known[2] or '0', ARGV[2], ARGV[3]}) do
  if time ~= '0' and time ~= '' and not seen[time] then
    seen[time] = true
    times[#times + 1] = time
  end
end
table.sort(times, function(one, other) return tonumber(one) > tonumber(other) end)
if times[1] and times[1] ~= known[1] then
  redis.call('HDEL', PERMIT, 'marketing_by')
end
if times[1] then
  redis.call('HSET', PERMIT, 'last_marketing', times[1], 'marketing_before', times[2] or '0')
end
local life = redis.call('PTTL', CONTACT)
if life > 0 then
  redis.call('PEXPIRE', PERMIT, life)
end
return 1
