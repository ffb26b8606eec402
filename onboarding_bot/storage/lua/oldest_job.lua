-- Tells since when the oldest job of a queue waits: jobs of workers that died come back at the end of the list.
-- KEYS queue, messages
-- Returns the Unix time in ms as text, or nothing when no job waits.
local oldest
for _, place in ipairs({0, -1}) do
  local id = redis.call('LINDEX', queue_key, place)
  local message = id and redis.call('HGET', messages_key, id)
  local since = message and cjson.decode(message).message_timestamp
  if since and (not oldest or since < oldest) then
    oldest = since
  end
end
return oldest and string.format('%.0f', oldest) or false
