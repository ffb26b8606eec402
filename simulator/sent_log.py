"""What Twilio has accepted from the bot, second by second: the sender's rate is held to it and measured by it."""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from simulator.clock import Clock, iso

# Seconds that never go backwards.
Monotonic = Callable[[], float]
_WINDOW_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class SentSummary:
    """Figures of every message accepted since the last reset; rates are counts in a second."""

    total: int
    recipients: int
    by_recipient_more_than_once: int
    per_second: list[int]
    max_in_any_second: int
    first_at: str | None
    last_at: str | None
    elapsed_ms: int


class SentLog:
    """Counts exactly, whether or not the messages themselves are kept."""

    def __init__(self, clock: Clock, monotonic: Monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Count from zero again."""
        with self._lock:
            self._times = array("d")
            self._by_recipient: Counter[str] = Counter()

    def has_room(self, per_second: int | None) -> bool:
        """Whether one more message fits into the sliding second that ends now; None is no limit."""
        with self._lock:
            if per_second is None or len(self._times) < per_second:
                return True
            return self._monotonic() - self._times[-per_second] >= _WINDOW_SECONDS

    def note(self, person: str, waited_seconds: float = 0.0) -> None:
        """A message to this person has been accepted, which arrived so many seconds ago."""
        with self._lock:
            self._times.append(self._monotonic() - waited_seconds)
            self._by_recipient[person] += 1

    def summary(self) -> SentSummary:
        with self._lock:
            # Two that arrived together may have been read the other way round.
            times, by_recipient = array("d", sorted(self._times)), Counter(self._by_recipient)
            now, elapsed_now = self._clock(), self._monotonic()
        first, last = (times[0], times[-1]) if times else (0.0, 0.0)

        def at(moment: float) -> str | None:
            return iso(now - timedelta(seconds=elapsed_now - moment)) if times else None

        return SentSummary(
            total=len(times),
            recipients=len(by_recipient),
            by_recipient_more_than_once=sum(count > 1 for count in by_recipient.values()),
            per_second=_per_second(times),
            max_in_any_second=_most_in_a_window(times),
            first_at=at(first),
            last_at=at(last),
            elapsed_ms=round((last - first) * 1000),
        )


def _per_second(times: array[float]) -> list[int]:
    """How many fell into each whole second after the first message."""
    counts: list[int] = []
    done = 0
    while done < len(times):
        upto = bisect_right(times, times[0] + len(counts) + 1 - 1e-9)
        counts.append(upto - done)
        done = upto
    return counts


def _most_in_a_window(times: array[float]) -> int:
    most = start = 0
    for end, moment in enumerate(times):
        while moment - times[start] >= _WINDOW_SECONDS:
            start += 1
        most = max(most, end - start + 1)
    return most
