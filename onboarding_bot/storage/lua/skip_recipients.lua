-- Skips a person in broadcasts that have not sent to the person yet, who got their messages under another record.
-- KEYS recipients..., counts..., pending...
-- ARGV person
-- recipients, counts, pending: of each broadcast, in one order.
for number, recipients in ipairs(recipients_keys) do
  skip_pending_recipient(recipients, counts_keys[number], pending_keys[number], person)
end
return 1
