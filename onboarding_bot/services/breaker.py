"""A circuit breaker: after some failures in a row a service is left alone for a while, then tried with one call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic


class CircuitBreaker:
    """One for each process and service. Its lock guards the counters and is never held during a call."""

    def __init__(
        self, failures_to_open: int = 5, open_seconds: float = 10.0, clock: Callable[[], float] = monotonic
    ) -> None:
        self._failures_to_open = failures_to_open
        self._open_seconds = open_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_to_calls_until = 0.0

    @property
    def state(self) -> str:
        """``closed`` (calls go through), ``open`` (they do not) or ``half_open`` (one is on trial)."""
        if self._failures < self._failures_to_open:
            return "closed"
        return "open" if self._clock() < self._closed_to_calls_until else "half_open"

    def allows_call(self) -> bool:
        """Whether a call may be made now; when half open only the first who asks gets a yes."""
        with self._lock:
            if self._failures < self._failures_to_open:
                return True
            now = self._clock()
            if now < self._closed_to_calls_until:
                return False
            # The trial call has this long to come back with a verdict; nobody else tries meanwhile.
            self._closed_to_calls_until = now + self._open_seconds
            return True

    def succeeded(self) -> None:
        """The service answered as it should."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """The service did not answer, or not as it should."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._failures_to_open:
                self._closed_to_calls_until = self._clock() + self._open_seconds
