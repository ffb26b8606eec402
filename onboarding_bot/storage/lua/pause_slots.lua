-- Keeps every slot until a pause is over that Twilio asked for. A longer pause is not cut short.
-- KEYS slots
-- ARGV pause
-- pause: microseconds.
local resume = microseconds_now() + tonumber(pause)
if resume > next_free(slots_key) then
  set_next_free(slots_key, resume)
end
return 1
