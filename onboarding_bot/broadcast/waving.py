"""Which wave a broadcast is in, and how that wave goes: counted from where it began."""

from __future__ import annotations

from collections.abc import Mapping

from onboarding_bot.outbound.states import RowState
from onboarding_bot.outbound.waves import WaveResult
from onboarding_bot.store.ledger import BroadcastRecord

_ATTEMPTED = (RowState.SENT, RowState.DELIVERED, RowState.READ, RowState.FAILED)


def _attempted(counts: Mapping[str, int]) -> int:
    return sum(counts.get(state, 0) for state in _ATTEMPTED)


def baseline(counts: Mapping[str, int]) -> dict[str, int]:
    """The fields that say from where the present wave is judged."""
    return {
        "wave_attempted_before": _attempted(counts),
        "wave_failed_before": counts.get(RowState.FAILED, 0),
        "wave_stops_before": counts.get("stops", 0),
    }


def result_of_wave(record: BroadcastRecord, counts: Mapping[str, int]) -> WaveResult:
    """How the present wave went so far."""
    return WaveResult(
        attempted=_attempted(counts) - record.number("wave_attempted_before"),
        failed=counts.get(RowState.FAILED, 0) - record.number("wave_failed_before"),
        stops=counts.get("stops", 0) - record.number("wave_stops_before"),
    )
