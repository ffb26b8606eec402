"""The time zone of the people whom the bot serves: India has one, and no summer time."""

from __future__ import annotations

from datetime import timedelta, timezone

INDIA = timezone(timedelta(hours=5, minutes=30), "IST")
