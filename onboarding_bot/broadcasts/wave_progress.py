"""Which wave a broadcast is in, and how that wave goes: counted from where it began."""

from __future__ import annotations

from collections.abc import Mapping

from onboarding_bot.outbound.broadcast_states import RowState
from onboarding_bot.outbound.twilio_errors import SENDER_LIMITED
from onboarding_bot.outbound.waves import WaveResult
from onboarding_bot.storage.ledger import BroadcastRecord

_ATTEMPTED = (RowState.SENT, RowState.DELIVERED, RowState.READ, RowState.FAILED)
# Rows that wait because WhatsApp did not deliver over the sender's limit: for the wave, that is an attempt that failed.
_HELD_BACK = f"waits:{SENDER_LIMITED}"


def _attempted(counts: Mapping[str, int]) -> int:
    return sum(counts.get(state, 0) for state in _ATTEMPTED) + counts.get(_HELD_BACK, 0)


def _failed(counts: Mapping[str, int]) -> int:
    return counts.get(RowState.FAILED, 0) + counts.get(_HELD_BACK, 0)


def wave_baseline(counts: Mapping[str, int]) -> dict[str, int]:
    """The fields that say from where the present wave is judged."""
    return {
        "wave_attempted_before": _attempted(counts),
        "wave_failed_before": _failed(counts),
        "wave_limited_before": counts.get(_HELD_BACK, 0),
        "wave_stops_before": counts.get("stops", 0),
    }


def wave_result(record: BroadcastRecord, counts: Mapping[str, int]) -> WaveResult:
    """How the present wave went so far."""
    return WaveResult(
        attempted=_attempted(counts) - record.number("wave_attempted_before"),
        failed=_failed(counts) - record.number("wave_failed_before"),
        stops=counts.get("stops", 0) - record.number("wave_stops_before"),
        limited=counts.get(_HELD_BACK, 0) - record.number("wave_limited_before"),
    )
