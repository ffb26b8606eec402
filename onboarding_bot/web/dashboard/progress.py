"""How far a broadcast is, as the segments of a bar and as a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onboarding_bot.outbound.broadcast_states import RecipientState

# From what is best known to be with the recipient to what is not.
_ORDER = (
    RecipientState.READ,
    RecipientState.DELIVERED,
    RecipientState.SENT,
    RecipientState.UNCERTAIN,
    RecipientState.FAILED,
)
WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the bar, in thousandths of its width."""

    state: str
    count: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Progress:
    """``attempted`` of ``total`` recipients were dealt with; total is None while they are being counted."""

    attempted: int
    total: int | None
    segments: tuple[Segment, ...]

    @property
    def percent(self) -> int:
        """Whole per cents, rounded down: 100 means that nobody is left."""
        return self.attempted * 100 // self.total if self.total else 0


def progress(counts: Mapping[str, int], recipients: int | None) -> Progress:
    """The bar of a broadcast whose recipients are in these states."""
    attempted = sum(counts[state] for state in _ORDER)
    segments, x = [], 0.0
    if recipients:
        for state in _ORDER:
            width = counts[state] * WIDTH / recipients
            if width:
                segments.append(Segment(state.value, counts[state], round(x, 2), round(width, 2)))
            x += width
    return Progress(attempted, recipients, tuple(segments))
