"""What every part of the store does alike: Redis's failures become one error, and times become milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from redis.exceptions import NoPermissionError, RedisClusterException, RedisError, ResponseError

from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.observability import metrics


@contextmanager
def unavailable_on_error() -> Iterator[None]:
    """Raise StoreUnavailableError for whatever Redis or the way to it does wrong; its text is the kind of fault."""
    try:
        yield
    except (RedisError, RedisClusterException) as error:
        metrics.redis_failed()
        raise StoreUnavailableError(_kind(error)) from error


def _kind(error: Exception) -> str:
    """The server's own word for what it refuses (MISCONF, NOREPLICAS, …), or else redis-py's."""
    if "user executing the script" in str(error):
        # Within a script Redis 7.0 has no word of its own for it.
        return NoPermissionError.__name__
    word = str(error).partition(" ")[0]
    return word if type(error) is ResponseError and word.isalpha() and word.isupper() else type(error).__name__


def milliseconds(span: timedelta) -> int:
    """A span for Redis."""
    return round(span.total_seconds() * 1000)


def unix_milliseconds(moment: datetime) -> int:
    """A moment for Redis."""
    return round(moment.timestamp() * 1000)


def moment_at(unix: int) -> datetime:
    """The moment of Redis's Unix milliseconds."""
    return datetime.fromtimestamp(unix / 1000, UTC)
