-- Whether the next slot is further away than a caller would wait, because Twilio asked for a pause.
-- KEYS slots
-- ARGV patience
-- patience: microseconds. Returns 1 or 0.
return next_free(slots_key) - microseconds_now() > tonumber(patience) and 1 or 0
