-- Skips what broadcasts have not sent yet to a person who got their message under another record.
-- KEYS: rows, counts and pending of each broadcast. ARGV: person.
local person = ARGV[1]
for index = 1, #KEYS, 3 do
  skip_pending_row(KEYS[index], KEYS[index + 1], KEYS[index + 2], person)
end
return 1
