"""One broadcast as the pages show it: its title, its progress, what it waits for, and what an admin may do with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from onboarding_bot.broadcasts.service import BroadcastView
from onboarding_bot.outbound.broadcast_definition import Definition
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState
from onboarding_bot.web.dashboard.code_meanings import reason_to_stop
from onboarding_bot.web.dashboard.display_formats import excerpt
from onboarding_bot.web.dashboard.whatsapp_markup import plain

# The segments of the progress bar, from the recipients who certainly have the message to those who do not.
_SEGMENTS = (
    RecipientState.READ,
    RecipientState.DELIVERED,
    RecipientState.SENT,
    RecipientState.UNCERTAIN,
    RecipientState.FAILED,
)
WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Segment:
    """The recipients in one state as a segment of the progress bar, in thousandths of its width."""

    state: str
    count: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Progress:
    """``attempted`` of ``total`` recipients; total is None while they are counted."""

    attempted: int
    total: int | None
    segments: tuple[Segment, ...]

    @property
    def percent(self) -> int:
        """Whole per cents, rounded down: 100 means that every recipient was attempted."""
        return self.attempted * 100 // self.total if self.total else 0


@dataclass(frozen=True, slots=True)
class BroadcastCard:
    """A broadcast with its figures, ready for a template. ``rests_until`` is set while it waits for the morning."""

    view: BroadcastView
    title: str
    progress: Progress
    rests_until: datetime | None

    @property
    def id(self) -> str:
        """The broadcast's id."""
        return self.view.record.id

    @property
    def reason(self) -> str:
        """Why it is paused, stopped or cancelled, as a sentence; otherwise empty."""
        return reason_to_stop(self.view.record.reason) if self.view.record.reason else ""

    @property
    def definition(self) -> Definition:
        """What is sent to whom."""
        return self.view.record.definition

    @property
    def status(self) -> BroadcastStatus:
        """The broadcast's status."""
        return self.view.record.status

    @property
    def urgency(self) -> int:
        """0 when an admin has to decide, 1 when it is running, 2 when it is scheduled."""
        if self.status.is_held:
            return 0
        return 2 if self.status is BroadcastStatus.SCHEDULED else 1

    @property
    def is_current(self) -> bool:
        """Whether it is running, or an admin has to decide."""
        return self.status.is_running or self.status.is_held

    @property
    def is_counting(self) -> bool:
        """Whether the worker is still counting its recipients."""
        return self.status in {BroadcastStatus.COUNTING, BroadcastStatus.SENDING} and self.progress.total is None

    @property
    def may_pause(self) -> bool:
        """Whether an admin can pause it."""
        return self.status.is_running

    @property
    def may_resume(self) -> bool:
        """Whether an admin can resume it."""
        return self.status.is_held

    @property
    def may_resend(self) -> bool:
        """Whether it has uncertain recipients, whom only an admin can have written to again."""
        return self.status is not BroadcastStatus.CANCELLED and self.view.counts["uncertain"] > 0

    @property
    def skipped_count(self) -> int:
        """How many people were skipped, for all reasons together."""
        return sum(self.view.skipped.values())


def card(view: BroadcastView) -> BroadcastCard:
    """A broadcast, ready for a template."""
    definition = view.record.definition
    rests_until = view.record.fields.get("rests_until")
    is_sending = view.record.status is BroadcastStatus.SENDING
    return BroadcastCard(
        view=view,
        title=excerpt(plain(definition.message) if definition.message else f"Template {definition.content_sid}"),
        progress=progress(view.counts, view.recipient_count),
        rests_until=datetime.fromisoformat(rests_until) if rests_until and is_sending else None,
    )


def progress(counts: Mapping[str, int], recipients: int | None) -> Progress:
    """The progress of a broadcast with these counts of recipients by state."""
    attempted = sum(counts[state] for state in _SEGMENTS)
    segments, x = [], 0.0
    if recipients:
        for state in _SEGMENTS:
            width = counts[state] * WIDTH / recipients
            if width:
                segments.append(Segment(state.value, counts[state], round(x, 2), round(width, 2)))
            x += width
    return Progress(attempted, recipients, tuple(segments))
