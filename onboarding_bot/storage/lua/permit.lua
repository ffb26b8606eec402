-- Shared by the scripts that let messages out to a person, and take back what they let out.
local DAY, WEEK = 86400000, 604800000

-- Why a message must not go out to this person now, or false, whether the person wrote within the 24-hour window, and
-- whether nothing but a yes to service messages that is not reviewed yet stands in the way.
local function refusal(contacts, opt_out, permit, person, now, rules)
  if redis.call('EXISTS', opt_out) == 1 then
    return 'opted_out', false
  end
  local suppressed, news, news_void, service, service_rule, last_marketing, marketing_before = unpack(redis.call(
    'HMGET', permit, 'suppressed', 'updates', 'updates_void', 'service', 'service_rule', 'last_marketing', 'marketing_before'
  ))
  if suppressed then
    return 'suppressed', false
  end
  -- A person who blocked the number since that yes to news, and wrote again, gets none before the next yes (see commit.lua).
  local wants_news = news and news ~= news_void
  local last_inbound = tonumber(redis.call('ZSCORE', contacts, person) or 0)
  local inside = now - last_inbound < rules.window
  if not rules.is_template and not inside then
    return 'outside_window', inside
  end
  -- Having written on after the notice allows service messages inside the window; all else needs the yes to news.
  local only_service = not rules.is_marketing and inside
  -- An earlier release took any text for a name, and so for a yes: that counts when today's rule has looked at it.
  local is_reviewed = service and service == service_rule
  if not wants_news and not (only_service and is_reviewed) then
    return 'no_consent', inside, only_service and service and not is_reviewed
  end
  if rules.is_marketing then
    if now - (last_marketing or 0) < DAY or now - (marketing_before or 0) < WEEK then
      return 'frequency', inside
    end
  end
  return false, inside
end

-- The rules of a broadcast, from the arguments of that name: two flags (1 or 0), and the window in ms.
local function sending_rules(is_template, is_marketing, window)
  return {is_template = is_template == '1', is_marketing = is_marketing == '1', window = tonumber(window)}
end

-- Notes that a marketing message goes out to the person.
local function note_marketing(permit, broadcast, now)
  local last = redis.call('HGET', permit, 'last_marketing')
  redis.call('HSET', permit, 'last_marketing', now, 'marketing_before', last or '0', 'marketing_by', broadcast)
end

-- Takes the note back when the broadcast's message did not arrive, if no later marketing message went out.
local function take_marketing_back(permit, broadcast)
  local noted_by, before, last = unpack(redis.call('HMGET', permit, 'marketing_by', 'marketing_before', 'last_marketing'))
  if noted_by == broadcast then
    redis.call('HSET', permit, 'last_marketing', before, 'marketing_before', '0', 'marketing_returned', last,
      'marketing_returned_by', broadcast)
    redis.call('HDEL', permit, 'marketing_by')
  end
end

-- Notes a message anew that arrived after all, as of the time at which it went out.
local function restore_marketing(permit, broadcast)
  local returned_by, returned, last, before = unpack(redis.call(
    'HMGET', permit, 'marketing_returned_by', 'marketing_returned', 'last_marketing', 'marketing_before'
  ))
  if returned_by ~= broadcast then
    return
  end
  if tonumber(returned) >= tonumber(last or 0) then
    redis.call('HSET', permit, 'last_marketing', returned, 'marketing_before', last or '0', 'marketing_by', broadcast)
  elseif tonumber(returned) > tonumber(before or 0) then
    redis.call('HSET', permit, 'marketing_before', returned)
  end
  redis.call('HDEL', permit, 'marketing_returned', 'marketing_returned_by')
end
