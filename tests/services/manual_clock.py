"""A monotonic clock that stands still until a test moves it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ManualClock:
    """``sleep`` moves it by as many seconds, and lists them in ``pauses``."""

    now: float = 1000.0
    pauses: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
