-- Shared: writes an alias. ``life`` is in ms, 0 for good.
local function write_alias(key, alias, life)
  if life == '0' then
    redis.call('SET', key, alias)
  else
    redis.call('SET', key, alias, 'PX', life)
  end
end
