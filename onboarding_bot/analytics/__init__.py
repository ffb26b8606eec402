"""The counters that a turn adds to, and the figures that sums become; pure, the store writes and reads them."""
