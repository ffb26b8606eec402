"""Waves: a broadcast begins with a few per cent of its audience, so that a bad one is noticed while it is small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

NO_WAVES_UNDER = 200
WAVE_PAUSE = timedelta(minutes=30)
FAILURES_MAX = 0.05
STOPS_MAX = 0.02
# A share of fewer attempts than this says nothing.
ATTEMPTS_TO_JUDGE = 20


@dataclass(frozen=True, slots=True)
class WaveResult:
    """How a wave went so far."""

    attempted: int
    failed: int
    stops: int


def wave_limits(audience: int, percentages: Sequence[int]) -> list[int]:
    """How many recipients may have been attempted by the end of each wave; the last wave is everybody."""
    if not percentages or audience < NO_WAVES_UNDER:
        return [audience]
    return [math.ceil(audience * percentage / 100) for percentage in percentages if percentage < 100] + [audience]


def reason_to_pause(result: WaveResult) -> str | None:
    """Why a wave must not go on, or None."""
    if result.attempted < ATTEMPTS_TO_JUDGE:
        return None
    if result.failed > FAILURES_MAX * result.attempted:
        return f"{result.failed} of {result.attempted} messages of this wave failed (more than 5 %)"
    if result.stops > STOPS_MAX * result.attempted:
        return f"{result.stops} of {result.attempted} people of this wave said STOP (more than 2 %)"
    return None
