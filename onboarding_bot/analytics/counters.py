"""The counters that a turn moves; they are written in the same commit as the turn."""

from __future__ import annotations

from datetime import datetime

from onboarding_bot.analytics.histograms import STEP_SECONDS, WEBHOOK_MILLISECONDS, bucket_of
from onboarding_bot.analytics.postal_circles import circle_of
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.conversation.turn import Milestone, Turn, TurnResult

WEBHOOKS = "webhooks"
FAILURES = "failures"
REMINDERS = "nudges"
STARTED = Milestone.STARTED.value
COMPLETED = Milestone.COMPLETED.value

_NO_WEBHOOK = frozenset({TurnResult.REMINDER, TurnResult.LATE_OUTCOME, TurnResult.CAUGHT_UP})
_ORDER = {step: number for number, step in enumerate(OnboardingStep)}


def counters_of(turn: Turn, failures: int) -> dict[str, int]:
    """The counters that this turn adds to. ``failures`` are webhooks that ended without a turn since the last commit.

    A turn with an effect is committed twice: the webhook counts with the commit of its reply. A reminder, a late OTP
    and a message caught up with are no webhooks.
    """
    counted = {milestone.value: 1 for milestone in turn.milestones}
    if turn.result is TurnResult.REMINDER:
        counted[REMINDERS] = 1
    if _answers_a_webhook(turn):
        counted[WEBHOOKS] = 1
    if failures:
        counted[FAILURES] = failures
        counted[WEBHOOKS] = counted.get(WEBHOOKS, 0) + failures
    return counted


def day_counters_of(
    before: UserSession | None, turn: Turn, language: str, now: datetime, waited_seconds: float
) -> dict[str, int]:
    """The counters of the day that this turn adds to beside ``counters_of``; ``counter_layout`` has their names.

    ``before`` is the session that the turn was computed from, ``language`` the one that the person reads, and
    ``waited_seconds`` the time from when the verified message reached the bot until this commit. A webhook that failed
    has no time.
    """
    names = [
        *_steps(before, turn, now),
        *_groups(before, turn, language),
        *([f"invalid:{turn.step}:{turn.fault}"] if turn.fault else []),
        *([f"otp:{turn.otp_result}"] if turn.otp_result else []),
        *(
            [f"milliseconds:{bucket_of(waited_seconds * 1000, WEBHOOK_MILLISECONDS)}"]
            if _answers_a_webhook(turn)
            else []
        ),
    ]
    return dict.fromkeys(names, 1)


def _answers_a_webhook(turn: Turn) -> bool:
    return turn.effect is None and turn.result not in _NO_WEBHOOK


def _steps(before: UserSession | None, turn: Turn, now: datetime) -> list[str]:
    """The step that was left with its question answered, and the step that was entered.

    A session that begins at COMPLETED belongs to a person who is registered already, and enters nothing.
    """
    left, step = before.current_step if before else None, turn.session.current_step
    if left is step or (before is None and step is OnboardingStep.COMPLETED):
        return []
    names = [f"entered:{step}"]
    if before and left and _answered(left, turn):
        names.append(f"completed:{left}")
        if before.entered_at:
            names.append(f"seconds:{left}:{bucket_of((now - before.entered_at).total_seconds(), STEP_SECONDS)}")
    return names


def _answered(left: OnboardingStep, turn: Turn) -> bool:
    """Whether the turn left the step because its question was answered: forward, and not by BACK or RESTART.

    WELCOME asks whether to go on or to start over, so RESTART is an answer there.
    """
    is_forward = _ORDER[turn.session.current_step] > _ORDER[left]
    return is_forward and (turn.result is not TurnResult.COMMAND or left is OnboardingStep.WELCOME)


def _groups(before: UserSession | None, turn: Turn, language: str) -> list[str]:
    """The language, sector and circle in which a sign-up starts and completes.

    It starts in a language with its first message, and in a sector or circle with the answer that names it; one that
    changes this answer has started in both.
    """
    data = turn.session.data
    names = []
    if Milestone.STARTED in turn.milestones:
        names.append(f"started:language:{language}")
    if before and turn.result is TurnResult.ACCEPTED and data != before.data:
        if before.current_step is OnboardingStep.SECTOR:
            names.append(f"started:sector:{data['sector']}")
        if before.current_step is OnboardingStep.PINCODE:
            names.append(f"started:circle:{circle_of(data['pincode'])}")
    if Milestone.COMPLETED in turn.milestones:
        names += [
            f"completed:language:{language}",
            f"completed:sector:{data['sector']}",
            f"completed:circle:{circle_of(data['pincode'])}",
        ]
    return names
