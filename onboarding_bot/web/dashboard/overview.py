"""The first page: how far people get, how the bot is doing, and what is being sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from onboarding_bot.broadcasts.service import BroadcastService
from onboarding_bot.fields import whole_number
from onboarding_bot.outbound.broadcast_states import BroadcastStatus
from onboarding_bot.stats import StatsService
from onboarding_bot.web.api.health import HealthCheck, HealthReport
from onboarding_bot.web.api.operations.monitoring import PartHealth
from onboarding_bot.web.dashboard import display_formats
from onboarding_bot.web.dashboard.access import Access
from onboarding_bot.web.dashboard.broadcast_card import BroadcastCard, card
from onboarding_bot.web.dashboard.figure_panels import charts, funnel, groups, refused_answers

RECENT = 6
PERIODS = (1, 7, 30, 90)
USUAL_PERIOD = 7
_NAMES_OF_PARTS = {
    "auth_api": "Auth API",
    "redis": "Redis",
    "webhook": "Twilio’s webhook",
    "status_callback": "Status callbacks",
}
_NAMES_OF_STATES = {"waiting": "Nothing yet"}


@dataclass(frozen=True, slots=True)
class HealthRow:
    """One part of the bot as the table of health shows it. ``status`` is that of ``/health``, ``says`` its name."""

    name: str
    status: str
    says: str
    detail: str


class Overview:
    """Collects the content of the page. Raises StoreUnavailableError when Redis does not answer."""

    def __init__(self, stats: StatsService, service: BroadcastService, health: HealthCheck) -> None:
        self._stats = stats
        self._service = service
        self._health = health

    def parts(self, days: int) -> dict[str, object]:
        """The template's variables by their names; the figures are those of the last ``days`` days."""
        figures = self._stats.figures(days)
        # A chart of one day would be a single point.
        charted = figures.period if days > 1 else self._stats.figures(USUAL_PERIOD).period
        current, recent = self._broadcasts()
        report = self._health.report()
        return {
            "days": days,
            "periods": PERIODS,
            "figures": figures,
            "period": figures.period,
            "funnel": funnel(figures),
            "refused": refused_answers(figures.period),
            "groups": groups(figures.period),
            "charts": charts(charted),
            "health": report,
            "health_rows": health_rows(report),
            "current": current,
            "recent": recent,
        }

    def _broadcasts(self) -> tuple[Sequence[BroadcastCard], Sequence[BroadcastCard]]:
        """Those that are running or wait for an admin, and the newest of the others."""
        newest = [card(view) for view in self._service.newest(0, RECENT)]
        active = {found.id: found for found in map(card, self._service.current())}
        # The scheduler leaves a stopped one alone, and it waits for an admin all the same.
        stopped = {found.id: found for found in newest if found.status is BroadcastStatus.STOPPED}
        current = {key: found for key, found in (active | stopped).items() if found.is_current}
        ordered = sorted(current.values(), key=lambda found: (found.urgency, found.id))
        return ordered, [found for found in newest if found.id not in current]


def add_overview(routes: Blueprint, access: Access, page: Overview) -> None:
    """``/dashboard`` itself."""

    @routes.get("", strict_slashes=False)
    @access.signed_in()
    def overview() -> ResponseReturnValue:
        # An address with any other number shows the usual page.
        days = whole_number(request.args.get("days", ""), 1, max(PERIODS))
        return render_template("dashboard/overview.html", **page.parts(days if days in PERIODS else USUAL_PERIOD))


def health_rows(report: HealthReport) -> list[HealthRow]:
    """A row for each part of the report."""
    return [
        HealthRow(
            _NAMES_OF_PARTS.get(name, display_formats.words(name)),
            part["status"],
            _NAMES_OF_STATES.get(part["status"], display_formats.words(part["status"])),
            _detail(part),
        )
        for name, part in report.services.items()
    ]


def _detail(part: PartHealth) -> str:
    if unavailable := part.get("unavailable"):
        return f"no writes at {', '.join(unavailable)}"
    if (response_ms := part.get("response_ms")) is not None:
        return display_formats.seconds(response_ms / 1000)
    if (seconds_ago := part.get("seconds_ago")) is not None:
        return f"{display_formats.roughly(seconds_ago)} ago"
    if (oldest_job := part.get("oldest_job_seconds")) is not None:
        return f"waits {display_formats.roughly(oldest_job)}"
    return "nothing waits" if "oldest_job_seconds" in part else ""
