-- Grants an address to a person, or says whose it is. An address without an alias leads to the person whose id is its own
-- hash, as soon as there is one.
-- KEYS: the address's alias, then session, contact and opt-out of the person whose id is the address's own hash.
-- ARGV: the alias to write ("": the address becomes its own person's again), the alias that may be replaced ("": none),
--       life (ms, 0: for good).
-- Returns "" when it was granted, "own" when the person of its own hash has records, or the alias that stands in the way.
local ALIAS, SESSION, CONTACT, OPT_OUT = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local alias, replaceable, life = ARGV[1], ARGV[2], tonumber(ARGV[3])
local known = redis.call('GET', ALIAS)
if known and known ~= alias and known ~= replaceable then
  return known
end
if alias == '' then
  redis.call('DEL', ALIAS)
  return ''
end
if not known and redis.call('EXISTS', SESSION, CONTACT, OPT_OUT) > 0 then
  return 'own'
end
if life > 0 then
  redis.call('SET', ALIAS, alias, 'PX', life)
else
  redis.call('SET', ALIAS, alias)
end
return ''
