"""Where sessions, contact records and counters live: one atomic step for each turn."""
