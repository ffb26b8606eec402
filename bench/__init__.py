"""What measures speed; the tests never run it."""
