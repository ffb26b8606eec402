"""The counters that a turn moves; they are written in the same commit as the turn."""

from __future__ import annotations

from onboarding_bot.conversation.turn import Milestone, Turn

WEBHOOKS = "webhooks"
FAILURES = "failures"
STARTED = Milestone.STARTED.value
COMPLETED = Milestone.COMPLETED.value


def counters_of(turn: Turn, failures: int) -> dict[str, int]:
    """What this turn adds. ``failures`` are webhooks of this process that ended without a turn since the last commit.

    A turn with an effect is committed twice: the webhook counts when its reply is there.
    """
    counted = {milestone.value: 1 for milestone in turn.milestones}
    if turn.effect is None:
        counted[WEBHOOKS] = 1
    if failures:
        counted[FAILURES] = failures
        counted[WEBHOOKS] = counted.get(WEBHOOKS, 0) + failures
    return counted
