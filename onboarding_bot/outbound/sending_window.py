"""WhatsApp's 24-hour window: how long after a person's last message the bot may send that person free text."""

from __future__ import annotations

from datetime import timedelta

WINDOW = timedelta(hours=24)
# A message that leaves in the last minutes of the window may arrive after it.
WINDOW_MARGIN = timedelta(minutes=5)
SENDING_WINDOW = WINDOW - WINDOW_MARGIN
