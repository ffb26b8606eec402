"""From the counters of some days to where people go on, and where they give up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

from onboarding_bot.analytics.counter_layout import add_rows, named
from onboarding_bot.analytics.counters import COMPLETED, FAILURES, STARTED, WEBHOOKS
from onboarding_bot.analytics.histograms import OVER, STEP_SECONDS, WEBHOOK_MILLISECONDS, quantile
from onboarding_bot.analytics.postal_circles import CIRCLES
from onboarding_bot.conversation.sectors import SECTORS
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.conversation.turn import OtpResult

SMALLEST_SHOWN = 5
FEWER: Literal["fewer than 5"] = "fewer than 5"

Shown = int | Literal["fewer than 5"]


@dataclass(frozen=True, slots=True)
class StepFigures:
    """One step of the funnel. Every figure counts visits: who comes back by BACK or a correction enters again.

    ``entered``: a turn led here. ``completed``: the question was answered, and the answer led on. ``given_up``: the
    session ended here, with its erasure or 24 hours after the last message; the latter counts on the day on which it is
    noticed, by the worker within two minutes. Who left by BACK or RESTART has neither completed the step nor given up
    in it. All three are of the same days, but not of the same visits: one that began yesterday may be completed today.
    In the last step there is nothing to answer, so whoever enters it has completed it. ``invalid``: answers that were
    refused, by the code of the reason. The seconds are those of completed visits; None when there are none.
    """

    entered: int
    completed: int
    given_up: int
    invalid: Mapping[str, int]
    median_seconds: float | None
    p90_seconds: float | None


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """Sign-ups of one language, sector or circle; small counts are not told, since they may point to a person."""

    started: Shown
    completed: Shown


@dataclass(frozen=True, slots=True)
class WebhookFigures:
    """``failures`` are apologies and 5xx, ``error_rate`` is their share of ``count``.

    The milliseconds are those of answered messages, from when the message reached the bot until its last commit; a
    repeated message counts nowhere. None when there are none.
    """

    count: int
    failures: int
    error_rate: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day, in Indian time; the milliseconds are as in ``WebhookFigures``."""

    day: date
    webhooks: int
    failures: int
    started: int
    completed: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None

    def to_record(self) -> dict[str, Any]:
        """The day as JSON."""
        return {
            "day": self.day.isoformat(),
            "webhooks": self.webhooks,
            "failures": self.failures,
            "started": self.started,
            "completed": self.completed,
            "p50_ms": self.p50_ms,
            "p95_ms": self.p95_ms,
            "p99_ms": self.p99_ms,
        }


@dataclass(frozen=True, slots=True)
class PeriodFigures:
    """The figures of whole days in Indian time, the last of which is today."""

    first_day: date
    last_day: date
    started: int
    completed: int
    steps: Mapping[OnboardingStep, StepFigures]
    by_language: Mapping[str, GroupFigures]
    by_sector: Mapping[str, GroupFigures]
    by_circle: Mapping[str, GroupFigures]
    otp_requests: Mapping[OtpResult, int]
    webhooks: WebhookFigures
    by_day: tuple[DayFigures, ...]

    def to_record(self) -> dict[str, Any]:
        """The figures as JSON: the fields by their names, and days as YYYY-MM-DD."""
        return {
            "days": len(self.by_day),
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
            "started": self.started,
            "completed": self.completed,
            "steps": {step: asdict(figures) for step, figures in self.steps.items()},
            "by_language": _records(self.by_language),
            "by_sector": _records(self.by_sector),
            "by_circle": _records(self.by_circle),
            "otp_requests": self.otp_requests,
            "webhooks": asdict(self.webhooks),
            "by_day": [figures.to_record() for figures in self.by_day],
        }


def period_figures(days: Mapping[date, Sequence[int]], languages: Iterable[str]) -> PeriodFigures:
    """What the counters of these days say. ``days`` has at least one, the oldest first, each with its row of sums."""
    counters = named(add_rows(days.values()))
    return PeriodFigures(
        first_day=min(days),
        last_day=max(days),
        started=counters.get(STARTED, 0),
        completed=counters.get(COMPLETED, 0),
        steps={step: _step_figures(step, counters) for step in OnboardingStep},
        by_language=_groups("language", languages, counters),
        by_sector=_groups("sector", SECTORS, counters),
        by_circle=_groups("circle", CIRCLES, counters),
        otp_requests={result: counters.get(f"otp:{result}", 0) for result in OtpResult},
        webhooks=_webhook_figures(counters),
        by_day=tuple(_day_figures(day, named(row)) for day, row in days.items()),
    )


def share(part: int, whole: int) -> float:
    """A share from 0 to 1, with four digits; 0 of nothing."""
    return round(part / whole, 4) if whole else 0.0


def _step_figures(step: OnboardingStep, counters: Mapping[str, int]) -> StepFigures:
    seconds = _under(f"seconds:{step}:", counters)
    is_last = step is OnboardingStep.COMPLETED
    entered = counters.get(f"entered:{step}", 0)
    return StepFigures(
        entered=entered,
        completed=entered if is_last else counters.get(f"completed:{step}", 0),
        given_up=0 if is_last else counters.get(f"ended:{step}", 0),
        invalid=_under(f"invalid:{step}:", counters),
        median_seconds=quantile(seconds, STEP_SECONDS, 0.5),
        p90_seconds=quantile(seconds, STEP_SECONDS, 0.9),
    )


def _webhook_figures(counters: Mapping[str, int]) -> WebhookFigures:
    # Ninety days are looked at in one answer: each bucket by its name is quicker than all counters one by one.
    buckets = (*map(str, WEBHOOK_MILLISECONDS), OVER)
    milliseconds = {bucket: counters.get(f"milliseconds:{bucket}", 0) for bucket in buckets}
    count, failures = counters.get(WEBHOOKS, 0), counters.get(FAILURES, 0)
    return WebhookFigures(
        count=count,
        failures=failures,
        error_rate=share(failures, count),
        p50_ms=quantile(milliseconds, WEBHOOK_MILLISECONDS, 0.5),
        p95_ms=quantile(milliseconds, WEBHOOK_MILLISECONDS, 0.95),
        p99_ms=quantile(milliseconds, WEBHOOK_MILLISECONDS, 0.99),
    )


def _day_figures(day: date, sums: Mapping[str, int]) -> DayFigures:
    webhooks = _webhook_figures(sums)
    return DayFigures(
        day,
        webhooks=webhooks.count,
        failures=webhooks.failures,
        started=sums.get(STARTED, 0),
        completed=sums.get(COMPLETED, 0),
        p50_ms=webhooks.p50_ms,
        p95_ms=webhooks.p95_ms,
        p99_ms=webhooks.p99_ms,
    )


def _groups(kind: str, members: Iterable[str], counters: Mapping[str, int]) -> dict[str, GroupFigures]:
    return {
        str(member): GroupFigures(
            started=_shown(counters.get(f"{STARTED}:{kind}:{member}", 0)),
            completed=_shown(counters.get(f"{COMPLETED}:{kind}:{member}", 0)),
        )
        for member in members
    }


def _records(groups: Mapping[str, GroupFigures]) -> dict[str, dict[str, Shown]]:
    return {name: {"started": group.started, "completed": group.completed} for name, group in groups.items()}


def _shown(count: int) -> Shown:
    return count if count >= SMALLEST_SHOWN else FEWER


def _under(prefix: str, counters: Mapping[str, int]) -> dict[str, int]:
    """The counters with this prefix that have moved, by the rest of their names."""
    return {name.removeprefix(prefix): count for name, count in counters.items() if count and name.startswith(prefix)}
