-- Shared: writes when the person agreed to service messages and to news into the permit, where the scripts that let
-- messages out look. ``service`` and ``news`` are Unix times in ms, "" without a consent. Behind the time of the consent to
-- service messages " holds" says that it rests on a name by today's rule: the time is written a second time then, as
-- service_rule. A release that knows nothing of this rule leaves service_rule as it is.
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
