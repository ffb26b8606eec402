"""When messages may go out: one rate over all workers by Redis's own clock, and Meta's limit of a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.milliseconds import unix_milliseconds
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.scripts import Scripts

# A pause must reach everybody within 2 s: no bulk message has its moment reserved for longer.
RESERVED_AHEAD_SECONDS = 1.0
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Slot:
    """When the next message may go out, or why none may. ``verdict`` is go, busy, status, wave or daily."""

    verdict: str
    wait_seconds: float = 0.0


class SendSlots:
    """One for each process. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def take(
        self,
        broadcast_id: str,
        seconds_between: float,
        outside_window: str | None = None,
        daily_limit: int = 0,
        *,
        is_first_try: bool = True,
    ) -> Slot:
        """Reserve the next moment for a message of this broadcast, over all workers.

        ``outside_window`` is the person, when only a place among the day's people outside the window lets it go out.
        """
        with unavailable_on_error():
            verdict, *wait = self._scripts.run(
                "slot",
                [keys.SLOTS, keys.broadcast(broadcast_id), keys.OUTSIDE_WINDOW_TODAY],
                [
                    _microseconds(seconds_between),
                    _microseconds(RESERVED_AHEAD_SECONDS),
                    int(is_first_try),
                    outside_window or "",
                    daily_limit,
                ],
            )
        return _slot(verdict.decode(), wait)

    def take_urgent(self, seconds_between: float) -> Slot:
        """Reserve the next moment for a message that is no bulk."""
        with unavailable_on_error():
            verdict, *wait = self._scripts.run("slot", [keys.SLOTS], [_microseconds(seconds_between)])
        return _slot(verdict.decode(), wait)

    def held_up(self, longer_than: timedelta) -> bool:
        """Whether the next free moment is further away than that: Twilio asked for a pause."""
        with unavailable_on_error():
            return bool(self._scripts.run("held_up", [keys.SLOTS], [_microseconds(longer_than.total_seconds())]))

    def slow_down(self, seconds: float) -> None:
        """Twilio asked for a pause: every worker keeps it."""
        with unavailable_on_error():
            self._scripts.run("slow_down", [keys.SLOTS], [_microseconds(seconds)])

    def written_outside_window(self, now: datetime) -> int:
        """How many people outside their window were written to in the last 24 hours, over all broadcasts."""
        with unavailable_on_error():
            return int(self._client.zcount(keys.OUTSIDE_WINDOW_TODAY, unix_milliseconds(now - DAY), "+inf"))


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _slot(verdict: str, wait: Sequence[Any]) -> Slot:
    match verdict:
        case "go" | "busy":
            return Slot(verdict, int(wait[0]) / 1_000_000)
        case "daily":
            return Slot("daily", int(wait[0]) / 1000)
        case _:
            return Slot(verdict)
