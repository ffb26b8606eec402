-- Adds a recipient for each of some people of a broadcast's audience: pending, or skipped with the reason.
-- KEYS recipients, counts, pending, contacts, opt_out..., permit...
-- ARGV now, is_dry_run, is_template, is_marketing, window, people...
-- contacts: the index of the shard. opt_out, permit: of each of the people, in their order. now, window: ms.
-- is_dry_run: 1 to count only, and write nothing. is_template, is_marketing: 1 or 0.
-- Returns pairs: "pending", "outside" (of those), a reason, or "unreviewed" (of no_consent), and how many.
local rules = sending_rules(is_template, is_marketing, window)
local found = {}
local function count(name)
  found[name] = (found[name] or 0) + 1
end

local function add(person, reason)
  local recipient = {
    state = reason and 'skipped' or 'pending', code = reason or '', sid = '', tries = 0, retries = 0, later = 0,
    earlier = '',
  }
  write_recipient(recipients_key, counts_key, person, recipient, nil)
  if reason then
    redis.call('HINCRBY', counts_key, 'skipped:' .. reason, 1)
  else
    redis.call('ZADD', pending_key, now, person)
  end
end

for number, person in ipairs(people) do
  -- A person who is in no index any more was erased since the audience was fixed.
  if is_dry_run == '1' or (redis.call('HEXISTS', recipients_key, person) == 0
      and redis.call('ZSCORE', contacts_key, person)) then
    local reason, inside, is_unreviewed = refusal(
      contacts_key, opt_out_keys[number], permit_keys[number], person, tonumber(now), rules)
    count(reason or 'pending')
    if not reason and not inside then
      count('outside')
    end
    if is_unreviewed then
      count('unreviewed')
    end
    if is_dry_run ~= '1' then
      add(person, reason)
    end
  end
end
local pairs_found = {}
for name, number in pairs(found) do
  pairs_found[#pairs_found + 1] = name
  pairs_found[#pairs_found + 1] = number
end
return pairs_found
