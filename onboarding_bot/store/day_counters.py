"""The counters of each day in Redis: a row of numbers for each shard, and one for all of them once the day is over."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from onboarding_bot.analytics.positions import named, position_of
from onboarding_bot.rest_hours import INDIA
from onboarding_bot.store.connection import AnyRedis
from onboarding_bot.store.errors import milliseconds
from onboarding_bot.store.keys import SHARDS, day_of_all, day_of_shard

# As far back as anybody may ask.
DAYS_KEPT = 90
DAY_LIFE = timedelta(days=100)
# No commit of a day arrives later than this after midnight: a turn takes seconds. Only then the day is rolled up.
ROLL_UP_AFTER = timedelta(hours=1)
_NUMBER_BYTES = 8


def day_at(moment: datetime) -> date:
    """The day that ``moment`` is in, in India."""
    return moment.astimezone(INDIA).date()


def arguments(counters: Iterable[Mapping[str, int]]) -> list[int]:
    """Counters for a script: position and sum, one after the other."""
    return [item for some in counters for name, count in some.items() for item in (position_of(name), count)]


class DayCounters:
    """Reads days. A day that is over is added up once and kept as one row, which is never written again."""

    def __init__(self, client: AnyRedis) -> None:
        self._client = client

    def sums(self, now: datetime, days: int) -> dict[date, dict[str, int]]:
        """The last ``days`` days, the oldest first, today the last; a day without a message has zeros or nothing."""
        wanted = [day_at(now) - timedelta(days=back) for back in reversed(range(days))]
        rolled_up = self._rolled_up(wanted[:-1])
        return {day: named(rolled_up.get(day) or self._add_up(day, now)) for day in wanted}

    def _rolled_up(self, days: Sequence[date]) -> dict[date, Sequence[int]]:
        if not days:
            return {}
        rows: Any = self._client.mget([day_of_all(day) for day in days])
        return {day: _numbers(row) for day, row in zip(days, rows, strict=True) if row is not None}

    def _add_up(self, day: date, now: datetime) -> Sequence[int]:
        """The sums of all shards; they are kept when the day is over for good."""
        pipeline = self._client.pipeline(transaction=False)
        for shard in range(SHARDS):
            pipeline.get(day_of_shard(shard, day))
        rows = [_numbers(row or b"") for row in pipeline.execute()]
        width = max(map(len, rows))
        sums = [sum(column) for column in zip(*((*row, *[0] * (width - len(row))) for row in rows), strict=True)]
        if day < day_at(now - ROLL_UP_AFTER):
            # Whoever comes second has added up the same numbers.
            self._client.set(day_of_all(day), _row(sums or [0]), px=milliseconds(DAY_LIFE), nx=True)
        return sums


def _numbers(row: bytes) -> tuple[int, ...]:
    """A row as BITFIELD writes it, cut off after the last number that has moved."""
    return struct.unpack(f">{len(row) // _NUMBER_BYTES}q", row)


def _row(numbers: Sequence[int]) -> bytes:
    return struct.pack(f">{len(numbers)}q", *numbers)
