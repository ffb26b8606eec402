-- Shared: the times of the yes to service and to news, as the scripts that let messages out look at them.
local function write_consents(permit, service, news)
  for consent, given_at in pairs({service = service, updates = news}) do
    if given_at == '' then
      redis.call('HDEL', permit, consent)
    else
      redis.call('HSET', permit, consent, given_at)
    end
  end
end
