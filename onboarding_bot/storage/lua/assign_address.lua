-- Assigns an address to a person, or tells whose it is. An address without an alias belongs to the person whose id is the
-- address's own hash, as soon as something is stored of that person.
-- KEYS alias, session, contact, opt_out
-- ARGV alias, replaceable, life
-- session, contact, opt_out: those of the person whose id is the address's own hash.
-- alias: what to write, "" when the address goes back to the person of its own hash. replaceable: the alias that may be
-- replaced, "" for none. life: of the alias, in ms, 0 for good.
-- Returns "" when it was assigned, "own" when something is stored of the person of its own hash, or the alias that stands.
local known = redis.call('GET', alias_key)
if known and known ~= alias and known ~= replaceable then
  return known
end
if alias == '' then
  redis.call('DEL', alias_key)
  return ''
end
if not known and redis.call('EXISTS', session_key, contact_key, opt_out_key) > 0 then
  return 'own'
end
write_alias(alias_key, alias, life)
return ''
