"""What lies in Redis under a key, as bytes: the bot's clients decode nothing, which redis-py's types cannot tell."""

from __future__ import annotations

from typing import cast

from onboarding_bot.storage.connection import AnyRedis


def stored_value(redis: AnyRedis, key: bytes | str) -> bytes:
    """The string under a key; empty when there is none."""
    return cast("bytes | None", redis.get(key)) or b""


def stored_members(redis: AnyRedis, key: bytes | str) -> list[bytes]:
    """The members of a sorted set, the lowest score first."""
    return cast("list[bytes]", redis.zrange(key, 0, -1))


def stored_scores(redis: AnyRedis, key: bytes | str) -> dict[bytes, float]:
    """The score of each member of a sorted set."""
    return dict(cast("list[tuple[bytes, float]]", redis.zrange(key, 0, -1, withscores=True)))
