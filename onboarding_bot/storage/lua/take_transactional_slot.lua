-- Reserves the next moment at which a transactional message may go out: a reminder, or news of a late OTP.
-- KEYS slots
-- ARGV between
-- between: microseconds between two messages. Returns the microseconds to wait.
local now = microseconds_now()
local slot = math.max(now, next_free(slots_key))
set_next_free(slots_key, slot + tonumber(between))
return slot - now
