-- Tells since when the oldest job of a queue waits: jobs of workers that died come back at the end of the list.
-- KEYS: the list of a queue, its messages. Returns the Unix time in milliseconds, or nothing when none waits.
local oldest
for _, place in ipairs({0, -1}) do
  local id = redis.call('LINDEX', KEYS[1], place)
  local message = id and redis.call('HGET', KEYS[2], id)
  local since = message and cjson.decode(message).message_timestamp
  if since and (not oldest or since < oldest) then
    oldest = since
  end
end
return oldest and string.format('%.0f', oldest) or false
