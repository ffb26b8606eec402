"""From sums over all shards to the figures that an operator reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onboarding_bot.analytics.counters import COMPLETED, FAILURES, STARTED, WEBHOOKS
from onboarding_bot.analytics.period import PeriodFigures, share
from onboarding_bot.conversation.session import OnboardingStep


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of ``/stats``; both rates are shares from 0 to 1.

    ``period`` are those of some days; all others hold since the beginning, or for this moment.
    """

    total_sessions: int
    step_distribution: Mapping[OnboardingStep, int]
    started: int
    completed: int
    completion_rate: float
    error_rate: float
    period: PeriodFigures


def figures(sessions: Mapping[OnboardingStep, int], counters: Mapping[str, int], period: PeriodFigures) -> Figures:
    """What the sums of all shards say."""
    started, completed = counters.get(STARTED, 0), counters.get(COMPLETED, 0)
    return Figures(
        total_sessions=sum(sessions.values()),
        step_distribution={step: sessions.get(step, 0) for step in OnboardingStep},
        started=started,
        completed=completed,
        completion_rate=share(completed, started),
        error_rate=share(counters.get(FAILURES, 0), counters.get(WEBHOOKS, 0)),
        period=period,
    )
