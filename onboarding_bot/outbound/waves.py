"""Waves: a broadcast begins with a few per cent of its audience, so that a bad one is noticed while it is small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from onboarding_bot.outbound.twilio_errors import SENDER_LIMITED

NO_WAVES_UNDER = 200
WAVE_PAUSE = timedelta(minutes=30)
FAILURES_MAX = 0.05
STOPS_MAX = 0.02
# While a wave goes on, a share of fewer attempts than this says nothing.
ATTEMPTS_TO_JUDGE = 20


@dataclass(frozen=True, slots=True)
class WaveResult:
    """How a wave went so far. ``limited`` are those among the failed that WhatsApp held back for the sender's limit."""

    attempted: int
    failed: int
    stops: int
    limited: int = 0


def wave_limits(recipients: int, percentages: Sequence[int], *, is_counted: bool) -> list[int | None]:
    """How many recipients may have been attempted by the end of each wave; None: everybody, as in the last wave.

    While they are being counted, ``recipients`` are those who were found so far, and there may be many more of them.
    """
    if is_counted and recipients < NO_WAVES_UNDER:
        return [None]
    return [*(math.ceil(recipients * percentage / 100) for percentage in percentages if percentage < 100), None]


def reason_to_pause(result: WaveResult, *, is_over: bool = False) -> str | None:
    """Why neither the next message nor the next wave may follow, or None. A wave that is over is judged whole."""
    if result.attempted < (1 if is_over else ATTEMPTS_TO_JUDGE):
        return None
    if result.failed > FAILURES_MAX * result.attempted:
        limited = (
            f", {result.limited} of them over WhatsApp's limit (Twilio error {SENDER_LIMITED})"
            if result.limited
            else ""
        )
        return f"{result.failed} of {result.attempted} messages of this wave failed (more than 5 %){limited}"
    if result.stops > STOPS_MAX * result.attempted:
        return f"{result.stops} of {result.attempted} people of this wave said STOP (more than 2 %)"
    return None
