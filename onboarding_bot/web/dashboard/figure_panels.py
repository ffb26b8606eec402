"""The figures of /stats as a funnel, as charts, and as short tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onboarding_bot.analytics.figures import Figures, GroupFigures, PeriodFigures, StepFigures
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.web.dashboard import display_formats
from onboarding_bot.web.dashboard.charts import Chart, columns, lines
from onboarding_bot.web.dashboard.code_meanings import refused

WIDTH = 1000
MOST_REFUSED = 6
# The share of messages that may fail at most; the axis of the chart reaches it.
ERROR_AIM = 0.01


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """One step: how many are in it now, and what became of those who came to it.

    The lengths are thousandths of the longest bar: who went on, and who gave up; what is left of ``entered`` is still
    there, or went elsewhere.
    """

    step: OnboardingStep
    live: int
    figures: StepFigures
    entered: float
    completed: float
    given_up: float


@dataclass(frozen=True, slots=True)
class RefusedAnswers:
    """How often a step's answers were refused for one reason, in words."""

    reason: str
    count: int


def funnel(figures: Figures) -> list[FunnelRow]:
    """All steps in their order."""
    steps = figures.period.steps
    # A person who entered before the period may complete the step, or give up, within it.
    most = max(max(row.entered, row.completed + row.given_up) for row in steps.values()) or 1
    return [
        FunnelRow(
            step,
            figures.step_distribution[step],
            row,
            entered=_length(row.entered, most),
            completed=_length(row.completed, most),
            given_up=_length(row.given_up, most),
        )
        for step, row in steps.items()
    ]


def refused_answers(period: PeriodFigures) -> list[RefusedAnswers]:
    """The reasons for which most answers were refused, the most frequent first."""
    found = [
        RefusedAnswers(refused(step, code), count)
        for step, row in period.steps.items()
        for code, count in row.invalid.items()
    ]
    return sorted(found, key=lambda row: (-row.count, row.reason))[:MOST_REFUSED]


def groups(period: PeriodFigures) -> dict[str, Mapping[str, GroupFigures]]:
    """Sign-ups by language, sector and postal circle."""
    languages = {display_formats.language(code): row for code, row in period.by_language.items()}
    return {"Language": languages, "Sector": period.by_sector, "Postal circle": period.by_circle}


def charts(period: PeriodFigures) -> list[Chart]:
    """Messages, sign-ups, speed and errors, day by day; no charts of days in which nothing came."""
    days = period.by_day
    if not period.webhooks.count:
        return []
    labels = [display_formats.day(day.day) for day in days[:-1]] + ["Today"]
    webhooks = period.webhooks
    return [
        columns(
            "messages",
            "Messages",
            labels,
            [day.webhooks for day in days],
            _count,
            f"{display_formats.number(webhooks.count)} in {len(days)} days",
        ),
        lines(
            "sign-ups",
            "Sign-ups",
            labels,
            [("Started", [day.started for day in days]), ("Completed", [day.completed for day in days])],
            _count,
            f"{display_formats.number(period.started)} started, {display_formats.number(period.completed)} completed",
        ),
        lines(
            "replies",
            "Time to reply",
            labels,
            [
                ("half within", [day.p50_ms for day in days]),
                ("95 % within", [day.p95_ms for day in days]),
                ("99 % within", [day.p99_ms for day in days]),
            ],
            _milliseconds,
            f"p50 {_milliseconds(webhooks.p50_ms)}, p95 {_milliseconds(webhooks.p95_ms)}, "
            f"p99 {_milliseconds(webhooks.p99_ms)}; the aim is under 2 s",
        ),
        columns(
            "errors",
            "Error rate",
            labels,
            [day.failures / day.webhooks if day.webhooks else None for day in days],
            lambda share: display_formats.percent(share, 2),
            f"{display_formats.percent(webhooks.error_rate, 2)} of all messages; the aim is under 1 %",
            least_top=ERROR_AIM,
        ),
    ]


def _length(count: int, most: int) -> float:
    return round(count * WIDTH / most, 1)


def _count(value: float | None) -> str:
    return display_formats.number(None if value is None else round(value))


def _milliseconds(value: float | None) -> str:
    return display_formats.seconds(None if value is None else value / 1000)
