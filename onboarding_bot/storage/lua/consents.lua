-- Shared: the times of the yes to service and to news, as the scripts that let messages out look at them. Behind the time
-- of the yes to service " holds" says that it rests on a name by today's rule: the time is noted a second time then, and
-- a release that knows nothing of it leaves that note alone.
local function write_consents(permit, service, news)
  local given_at, holds = string.match(service, '^(%d*)(.*)$')
  for consent, at in pairs({service = given_at, updates = news}) do
    if at == '' then
      redis.call('HDEL', permit, consent)
    else
      redis.call('HSET', permit, consent, at)
    end
  end
  if given_at == '' then
    redis.call('HDEL', permit, 'service_rule')
  elseif holds ~= '' then
    redis.call('HSET', permit, 'service_rule', given_at)
  end
end
