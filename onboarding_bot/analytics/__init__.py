"""Which counters a turn moves, and how sums become figures; pure, the store writes and reads them."""
