-- Shared by the scripts that let messages out to a person, and take back what they let out.
local DAY, WEEK = 86400000, 604800000

-- Why a message must not go out to this person now, or false, whether the person wrote within the 24-hour window, and
-- whether nothing but a yes to service messages that is not reviewed yet stands in the way.
local function refusal(contacts, opt_out, permit, person, now, rules)
  if redis.call('EXISTS', opt_out) == 1 then
    return 'opted_out', false
  end
  local known = redis.call(
    'HMGET', permit, 'suppressed', 'updates', 'last_marketing', 'marketing_before', 'service', 'updates_void', 'service_rule'
  )
  if known[1] then
    return 'suppressed', false
  end
  -- A person who blocked the number since that yes to news, and wrote again, gets none before the next yes (see commit.lua).
  local wants_news = known[2] and known[2] ~= known[6]
  local last_inbound = tonumber(redis.call('ZSCORE', contacts, person) or 0)
  local inside = now - last_inbound < rules.window
  if not rules.is_template and not inside then
    return 'outside_window', inside
  end
  -- Having written on after the notice allows service messages inside the window; all else needs the yes to news.
  local only_service = not rules.is_marketing and inside
  -- An earlier release took any text for a name, and so for a yes: that counts when today's rule has looked at it.
  local is_reviewed = known[5] and known[5] == known[7]
  if not wants_news and not (only_service and is_reviewed) then
    return 'no_consent', inside, only_service and known[5] and not is_reviewed
  end
  if rules.is_marketing then
    local last, before = tonumber(known[3] or 0), tonumber(known[4] or 0)
    if now - last < DAY or now - before < WEEK then
      return 'frequency', inside
    end
  end
  return false, inside
end

-- The rules of a broadcast, from the arguments of that name: two flags (1 or 0), and the window in ms.
local function sending_rules(is_template, is_marketing, window)
  return {is_template = is_template == '1', is_marketing = is_marketing == '1', window = tonumber(window)}
end

-- A message takes its place among the person's marketing messages when it goes out.
local function take_marketing_place(permit, broadcast, now)
  local last = redis.call('HGET', permit, 'last_marketing')
  redis.call('HSET', permit, 'last_marketing', now, 'marketing_before', last or '0', 'marketing_by', broadcast)
end

-- The broadcast's message never arrived: its place, if it has the last one, is free again.
local function give_marketing_place_back(permit, broadcast)
  local known = redis.call('HMGET', permit, 'marketing_by', 'marketing_before', 'last_marketing')
  if known[1] == broadcast then
    redis.call('HSET', permit, 'last_marketing', known[2], 'marketing_before', '0', 'marketing_returned', known[3],
      'marketing_returned_by', broadcast)
    redis.call('HDEL', permit, 'marketing_by')
  end
end

-- It had arrived all the same: the place that was given back is taken again, at its own time.
local function take_marketing_place_again(permit, broadcast)
  local known = redis.call('HMGET', permit, 'marketing_returned_by', 'marketing_returned', 'last_marketing',
    'marketing_before')
  if known[1] ~= broadcast then
    return
  end
  local at, last, before = tonumber(known[2]), tonumber(known[3] or 0), tonumber(known[4] or 0)
  if at >= last then
    redis.call('HSET', permit, 'last_marketing', known[2], 'marketing_before', known[3] or '0', 'marketing_by', broadcast)
  elseif at > before then
    redis.call('HSET', permit, 'marketing_before', known[2])
  end
  redis.call('HDEL', permit, 'marketing_returned', 'marketing_returned_by')
end
