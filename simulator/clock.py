"""What time it is, and how the simulator's JSON and Twilio's REST API write it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Milliseconds and Z, so that the text sorts like the time: ``2026-11-22T10:00:00.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc2822(moment: datetime) -> str:
    """As Twilio's REST API writes dates: ``Sun, 22 Nov 2026 10:00:00 +0000``."""
    return format_datetime(moment.astimezone(UTC))
