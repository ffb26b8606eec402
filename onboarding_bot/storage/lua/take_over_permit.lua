-- Makes a permit as strict as that of another record of the same person: a suppression counts for both, and so do the last
-- marketing messages. Doing it twice changes nothing.
-- KEYS permit, contact
-- ARGV suppressed, last_marketing, marketing_before
-- Of the other permit. suppressed: "" when it is not. last_marketing, marketing_before: when the last two marketing messages
-- went out, in ms, 0 for none.
if suppressed ~= '' then
  redis.call('HSETNX', permit_key, 'suppressed', suppressed)
end
local own_last, own_before = unpack(redis.call('HMGET', permit_key, 'last_marketing', 'marketing_before'))
local times, seen = {}, {}
for _, time in ipairs({own_last or '0', own_before or '0', last_marketing, marketing_before}) do
  if time ~= '0' and time ~= '' and not seen[time] then
    seen[time] = true
    times[#times + 1] = time
  end
end
table.sort(times, function(one, other) return tonumber(one) > tonumber(other) end)
local last, before = unpack(times)
if last and last ~= own_last then
  redis.call('HDEL', permit_key, 'marketing_by')
end
if last then
  redis.call('HSET', permit_key, 'last_marketing', last, 'marketing_before', before or '0')
end
local life = redis.call('PTTL', contact_key)
if life > 0 then
  redis.call('PEXPIRE', permit_key, life)
end
return 1
