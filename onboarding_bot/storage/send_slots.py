"""The send slots in Redis: when each message may go out, at one rate over all workers and in Meta's daily limit."""

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

# A pause must reach all workers within 2 s: no message of a broadcast has its moment reserved for longer.
RESERVED_AHEAD_SECONDS = 1.0
DAY = timedelta(hours=24)
# Messages never arrive as evenly as they are sent; the rest keeps those that come late from adding up to more than the
# rate in any second.
SHARE_OF_RATE = 0.985


@dataclass(frozen=True, slots=True)
class Slot:
    """When the next message may go out, or why none may. ``verdict`` is go, busy, status, wave or daily."""

    verdict: str
    wait_seconds: float = 0.0


def seconds_between(messages_per_second: int) -> float:
    """The distance between two slots, at which all messages together keep to this rate when they arrive."""
    return 1 / (messages_per_second * SHARE_OF_RATE)


class SendSlots:
    """Reserves slots by Redis's own clock. Every method raises StoreUnavailableError when Redis does not answer."""

    def __init__(self, client: AnyRedis) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def take_for_broadcast(
        self,
        broadcast_id: str,
        seconds_between: float,
        outside_window: str | None = None,
        daily_limit: int = 0,
        *,
        is_first_try: bool = True,
    ) -> Slot:
        """Reserve the next moment for a message of this broadcast.

        ``outside_window`` is the person's id, when the message is for a person outside the window, and needs one of
        the ``daily_limit`` places.
        """
        with unavailable_on_error():
            verdict, *wait = self._scripts.run(
                "take_broadcast_slot",
                {
                    "slots": keys.SLOTS,
                    "broadcast": keys.broadcast(broadcast_id),
                    "outside_window": keys.OUTSIDE_WINDOW_TODAY,
                },
                {
                    "between": _microseconds(seconds_between),
                    "ahead": _microseconds(RESERVED_AHEAD_SECONDS),
                    "is_first_try": int(is_first_try),
                    "person": outside_window or "",
                    "daily_limit": daily_limit,
                },
            )
        return _slot(verdict.decode(), wait)

    def take_for_transactional(self, seconds_between: float) -> float:
        """Reserve the next moment for a message that belongs to no broadcast; how many seconds to wait for it."""
        with unavailable_on_error():
            wait = self._scripts.run(
                "take_transactional_slot", {"slots": keys.SLOTS}, {"between": _microseconds(seconds_between)}
            )
        return int(wait) / 1_000_000

    def pause(self, seconds: float) -> None:
        """Reserve nothing for so long, because Twilio asked for a pause: every worker keeps it."""
        with unavailable_on_error():
            self._scripts.run("pause_slots", {"slots": keys.SLOTS}, {"pause": _microseconds(seconds)})

    def is_paused(self, longer_than: timedelta) -> bool:
        """Whether the next free moment is further away than that, because Twilio asked for a pause."""
        patience = _microseconds(longer_than.total_seconds())
        with unavailable_on_error():
            return bool(self._scripts.run("slots_paused", {"slots": keys.SLOTS}, {"patience": patience}))

    def written_outside_window(self, now: datetime) -> int:
        """How many people outside their window were written to in the last 24 hours, over all broadcasts."""
        with unavailable_on_error():
            return int(self._client.zcount(keys.OUTSIDE_WINDOW_TODAY, unix_milliseconds(now - DAY), "+inf"))


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _slot(verdict: str, wait: Sequence[Any]) -> Slot:
    match verdict, wait:
        case "go" | "busy", [microseconds]:
            return Slot(verdict, int(microseconds) / 1_000_000)
        case "daily", [milliseconds]:
            return Slot("daily", int(milliseconds) / 1000)
        case _:
            return Slot(verdict)
