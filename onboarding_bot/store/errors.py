"""What every part of the store does alike: Redis's failures become one error, and times become milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from redis.exceptions import RedisClusterException, RedisError

from onboarding_bot import metrics
from onboarding_bot.errors import StoreUnavailableError


@contextmanager
def unavailable_on_error() -> Iterator[None]:
    """Raise StoreUnavailableError for whatever Redis or the way to it does wrong."""
    try:
        yield
    except (RedisError, RedisClusterException) as error:
        metrics.redis_failed()
        raise StoreUnavailableError(type(error).__name__) from error


def milliseconds(span: timedelta) -> int:
    """A span for Redis."""
    return round(span.total_seconds() * 1000)


def unix_milliseconds(moment: datetime) -> int:
    """A moment for Redis."""
    return round(moment.timestamp() * 1000)
