-- Takes due work of the kinds that the caller knows, and makes it due again later, in case the worker that took it dies.
-- Work of other kinds stays as it is: a later release has written it, and does it.
-- KEYS due_work
-- ARGV now, due_again_at, most_taken, first_rank, most_looked_at, kinds...
-- Times are Unix milliseconds. Looks at most_looked_at members from first_rank on. Returns the rank to go on from
-- (-1: nothing is left to look at), and then the members that were taken.
now, most_taken, first_rank = tonumber(now), tonumber(most_taken), tonumber(first_rank)
most_looked_at = tonumber(most_looked_at)
local is_known = {}
for _, kind in ipairs(kinds) do
  is_known[kind] = true
end

local ranked = redis.call('ZRANGE', due_work_key, first_rank, first_rank + most_looked_at - 1, 'WITHSCORES')
local taken, looked_at = {}, 0
for index = 1, #ranked, 2 do
  local member, due_at = ranked[index], tonumber(ranked[index + 1])
  if due_at > now or #taken == most_taken then
    break
  end
  looked_at = looked_at + 1
  if is_known[string.match(member, '^([^:]*):')] then
    table.insert(taken, member)
  end
end
for _, member in ipairs(taken) do
  redis.call('ZADD', due_work_key, due_again_at, member)
end
-- What was taken has moved behind the rest, so that the members that follow have lower ranks by now.
local next_rank = looked_at == most_looked_at and first_rank + looked_at - #taken or -1
return {next_rank, unpack(taken)}
