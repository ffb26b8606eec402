"""The counters that a turn moves; they are written in the same commit as the turn."""

from __future__ import annotations

from onboarding_bot.conversation.turn import Milestone, Turn, TurnResult

WEBHOOKS = "webhooks"
FAILURES = "failures"
NUDGES = "nudges"
STARTED = Milestone.STARTED.value
COMPLETED = Milestone.COMPLETED.value

_OWN_ACCOUNT = frozenset({TurnResult.NUDGE, TurnResult.LATE_OUTCOME})


def counters_of(turn: Turn, failures: int) -> dict[str, int]:
    """What this turn adds. ``failures`` are webhooks of this process that ended without a turn since the last commit.

    A turn with an effect is committed twice: the webhook counts when its reply is there. What the bot does on its
    own account is no webhook.
    """
    counted = {milestone.value: 1 for milestone in turn.milestones}
    if turn.result is TurnResult.NUDGE:
        counted[NUDGES] = 1
    if turn.effect is None and turn.result not in _OWN_ACCOUNT:
        counted[WEBHOOKS] = 1
    if failures:
        counted[FAILURES] = failures
        counted[WEBHOOKS] = counted.get(WEBHOOKS, 0) + failures
    return counted
