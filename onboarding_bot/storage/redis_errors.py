"""Turns what redis-py raises into StoreUnavailableError, the one error that the other rooms know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import NoPermissionError, RedisClusterException, RedisError, ResponseError

from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.observability import metrics


@contextmanager
def unavailable_on_error() -> Iterator[None]:
    """Raise StoreUnavailableError for each error of Redis or of the connection to it; its text is the kind of error."""
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
