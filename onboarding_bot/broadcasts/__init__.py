"""Broadcasts: who gets one, how it goes out, and who looks after it."""
