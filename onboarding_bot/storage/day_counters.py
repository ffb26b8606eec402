"""The counters of each day in Redis: a row of numbers for each shard, and one for all of them once the day is over."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from onboarding_bot.analytics.counter_layout import add_rows, position_of
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import SHARDS, day_of_all, day_of_shard
from onboarding_bot.storage.milliseconds import milliseconds
from onboarding_bot.time_zone import INDIA

# How far back /stats may be asked.
DAYS_KEPT = 90
DAY_LIFE = timedelta(days=100)
# No commit of a day comes later than this after midnight: a turn takes seconds. Only then its sums are stored.
ROLL_UP_AFTER = timedelta(hours=1)
_NUMBER_BYTES = 8
# The positions of the sessions that ended in each step, which the scripts count.
ENDED_POSITIONS = tuple(position_of(f"ended:{step}") for step in OnboardingStep)


def day_at(moment: datetime) -> date:
    """The day that ``moment`` is in, in India."""
    return moment.astimezone(INDIA).date()


def in_turn(counters: Mapping[str, int]) -> list[str | int]:
    """Counters for a script: names and sums in turn."""
    return [item for counter in counters.items() for item in counter]


def day_counts(counters: Iterable[Mapping[str, int]]) -> list[int]:
    """Counters of a day for a script: positions and sums in turn."""
    return [item for some in counters for name, count in some.items() for item in (position_of(name), count)]


def numbers_in(row: bytes | None) -> tuple[int, ...]:
    """A row as BITFIELD keeps it; without one, nothing has moved."""
    return struct.unpack(f">{len(row) // _NUMBER_BYTES}q", row) if row else ()


class DayCounters:
    """Reads the days before today. The sums of a day that is over are stored once, and never written again."""

    def __init__(self, client: AnyRedis) -> None:
        self._client = client

    def before(self, now: datetime, days: int) -> dict[date, Sequence[int]]:
        """The sums of the last ``days`` days before today, the oldest first."""
        wanted = [day_at(now) - timedelta(days=back) for back in range(days, 0, -1)]
        rolled_up: Any = self._client.mget([day_of_all(day) for day in wanted]) if wanted else []
        return {
            day: self._add_up(day, now) if row is None else numbers_in(row)
            for day, row in zip(wanted, rolled_up, strict=True)
        }

    def _add_up(self, day: date, now: datetime) -> list[int]:
        """The sums of all shards, stored when no commit can change them any more."""
        pipeline = self._client.pipeline(transaction=False)
        for shard in range(SHARDS):
            pipeline.get(day_of_shard(shard, day))
        sums = add_rows(map(numbers_in, pipeline.execute()))
        if day < day_at(now - ROLL_UP_AFTER):
            # Another process may have added up the same numbers first.
            row = struct.pack(f">{len(sums)}q", *sums)
            self._client.set(day_of_all(day), row, px=milliseconds(DAY_LIFE), nx=True)
        return sums
