"""One broadcast as the pages show it: its words, its progress, what it waits for, and what may be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from onboarding_bot.broadcasts.service import BroadcastView
from onboarding_bot.outbound.broadcast_definition import Definition
from onboarding_bot.outbound.broadcast_states import BroadcastStatus
from onboarding_bot.web.dashboard.display_formats import excerpt
from onboarding_bot.web.dashboard.explanations import reason_to_stop
from onboarding_bot.web.dashboard.progress import Progress, progress
from onboarding_bot.web.dashboard.whatsapp_markup import plain


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
        """Why it is held or over, as a sentence, or nothing."""
        return reason_to_stop(self.view.record.reason) if self.view.record.reason else ""

    @property
    def definition(self) -> Definition:
        """What is sent to whom."""
        return self.view.record.definition

    @property
    def status(self) -> BroadcastStatus:
        """Where it stands."""
        return self.view.record.status

    @property
    def urgency(self) -> int:
        """0 for what waits for somebody, 1 for what goes on, 2 for what begins later."""
        if self.status.is_held:
            return 0
        return 2 if self.status is BroadcastStatus.SCHEDULED else 1

    @property
    def is_current(self) -> bool:
        """Whether something is still to come, or somebody has to decide."""
        return self.status.is_running or self.status.is_held

    @property
    def is_counting(self) -> bool:
        """Whether its recipients are being looked for."""
        return self.status in {BroadcastStatus.COUNTING, BroadcastStatus.SENDING} and self.progress.total is None

    @property
    def may_pause(self) -> bool:
        """Whether it can be held."""
        return self.status.is_running

    @property
    def may_resume(self) -> bool:
        """Whether it can go on."""
        return self.status.is_held

    @property
    def may_resend(self) -> bool:
        """Whether there are recipients to whom only an admin can have sent again."""
        return self.status is not BroadcastStatus.CANCELLED and self.view.counts["uncertain"] > 0

    @property
    def skipped_count(self) -> int:
        """How many were left out, for all reasons together."""
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
