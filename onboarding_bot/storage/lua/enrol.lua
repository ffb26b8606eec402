-- Makes a row for each of some people of a broadcast's audience: pending, or skipped with the reason.
-- KEYS: rows, counts, pending, contact index, then opt-out and permit of each person.
-- ARGV: now (ms), 1 when only to be counted, template (1 or 0), marketing (1 or 0), window (ms), then the people.
-- Returns pairs: "pending", "outside" (of those), a reason, or "unreviewed" (of no_consent), and how many.
local now, only_count, rules = tonumber(ARGV[1]), ARGV[2] == '1', read_rules(3)
local found = {}
for index = 6, #ARGV do
  local person, own = ARGV[index], 5 + 2 * (index - 6)
  -- Whoever is in no index any more was erased since the audience was fixed.
  if only_count or (redis.call('HEXISTS', KEYS[1], person) == 0 and redis.call('ZSCORE', KEYS[4], person)) then
    local reason, inside, is_unreviewed = refusal(KEYS[4], KEYS[own], KEYS[own + 1], person, now, rules)
    local result = reason or 'pending'
    found[result] = (found[result] or 0) + 1
    if not reason and not inside then
      found.outside = (found.outside or 0) + 1
    end
    if is_unreviewed then
      found.unreviewed = (found.unreviewed or 0) + 1
    end
    if not only_count then
      local row = {
        state = reason and 'skipped' or 'pending', code = reason or '', sid = '', tries = 0, retries = 0, later = 0,
        earlier = '',
      }
      write_row(KEYS[1], KEYS[2], person, row, nil)
      if reason then
        redis.call('HINCRBY', KEYS[2], 'skipped:' .. reason, 1)
      else
        redis.call('ZADD', KEYS[3], now, person)
      end
    end
  end
end
local pairs_found = {}
for name, count in pairs(found) do
  pairs_found[#pairs_found + 1] = name
  pairs_found[#pairs_found + 1] = count
end
return pairs_found
