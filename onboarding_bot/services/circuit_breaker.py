"""A circuit breaker: after some failures in a row a service gets no calls for a while, then one on trial."""

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
        self._open_until = 0.0

    @property
    def state(self) -> str:
        """``closed`` (calls go through), ``open`` (no call does) or ``half_open`` (one call is on trial)."""
        if self._failures < self._failures_to_open:
            return "closed"
        return "open" if self._clock() < self._open_until else "half_open"

    def allows_call(self) -> bool:
        """Whether a call may be made now; when half open only the first caller gets a yes."""
        with self._lock:
            if self._failures < self._failures_to_open:
                return True
            now = self._clock()
            if now < self._open_until:
                return False
            # The trial has this long to end; no other call is made meanwhile.
            self._open_until = now + self._open_seconds
            return True

    def succeeded(self) -> None:
        """The service answered as it should."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """The service gave no answer, or one that shows that it does not work."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._failures_to_open:
                self._open_until = self._clock() + self._open_seconds
