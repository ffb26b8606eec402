"""Times as Redis stores them: spans in milliseconds, and moments as Unix time in milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def milliseconds(span: timedelta) -> int:
    """The span in milliseconds."""
    return round(span.total_seconds() * 1000)


def unix_milliseconds(moment: datetime) -> int:
    """The moment as Unix time in milliseconds."""
    return round(moment.timestamp() * 1000)


def moment_at(unix_ms: float | bytes | str) -> datetime:
    """The moment, in UTC, of a Unix time in milliseconds. Raises ValueError for what is no number."""
    return datetime.fromtimestamp(float(unix_ms) / 1000, UTC)
