"""Waves: a broadcast begins with a few per cent of its recipients, and the next wave follows if that one went well."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from onboarding_bot.outbound.broadcast_states import RecipientState
from onboarding_bot.outbound.twilio_errors import SENDER_LIMITED

NO_WAVES_UNDER = 200
WAVE_PAUSE = timedelta(minutes=30)
FAILURES_MAX = 0.05
STOPS_MAX = 0.02
# While a wave goes on, a share of fewer attempts than this says nothing.
ATTEMPTS_TO_JUDGE = 20
# An attempt is a message of which it is known how it ended: these recipients, and those of _LIMITED.
_ATTEMPTED = (RecipientState.SENT, RecipientState.DELIVERED, RecipientState.READ, RecipientState.FAILED)
# The count of recipients that wait because WhatsApp did not deliver over the sender's limit: attempts that failed.
_LIMITED = f"waits:{SENDER_LIMITED}"


@dataclass(frozen=True, slots=True)
class WaveResult:
    """How many attempts of a wave there were so far, how many of them failed, and how many people said STOP after it.

    ``limited`` are those among the failed that WhatsApp did not deliver over the sender's limit.
    """

    attempted: int
    failed: int
    stops: int
    limited: int = 0


def wave_limits(recipients: int, percentages: Sequence[int], *, is_counted: bool) -> list[int | None]:
    """How many recipients may have had their first try by the end of each wave; None: all, as in the last wave.

    While they are being counted, ``recipients`` are those who were found so far, and there may be many more of them.
    """
    if is_counted and recipients < NO_WAVES_UNDER:
        return [None]
    return [*(math.ceil(recipients * percentage / 100) for percentage in percentages if percentage < 100), None]


def wave_start(counts: Mapping[str, int]) -> dict[str, int]:
    """The fields of a broadcast's record from which the wave that begins now is judged, from the counts until now."""
    return {
        "wave_attempted_before": _attempted(counts),
        "wave_failed_before": _failed(counts),
        "wave_limited_before": counts.get(_LIMITED, 0),
        "wave_stops_before": counts.get("stops", 0),
    }


def wave_result(counts: Mapping[str, int], started_from: Callable[[str], int]) -> WaveResult:
    """How the present wave went so far; ``started_from`` gives each field that ``wave_start`` named."""
    return WaveResult(
        attempted=_attempted(counts) - started_from("wave_attempted_before"),
        failed=_failed(counts) - started_from("wave_failed_before"),
        stops=counts.get("stops", 0) - started_from("wave_stops_before"),
        limited=counts.get(_LIMITED, 0) - started_from("wave_limited_before"),
    )


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


def _attempted(counts: Mapping[str, int]) -> int:
    return sum(counts.get(state, 0) for state in _ATTEMPTED) + counts.get(_LIMITED, 0)


def _failed(counts: Mapping[str, int]) -> int:
    return counts.get(RecipientState.FAILED, 0) + counts.get(_LIMITED, 0)
