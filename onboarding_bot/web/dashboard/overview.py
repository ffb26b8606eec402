"""The first page: how far people get, how the bot is doing, and what is being sent."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from onboarding_bot.broadcasts.service import BroadcastService
from onboarding_bot.fields import whole_number
from onboarding_bot.outbound.broadcast_states import BroadcastStatus
from onboarding_bot.stats import StatsService
from onboarding_bot.web.api.health import HealthCheck
from onboarding_bot.web.dashboard.access import Access
from onboarding_bot.web.dashboard.broadcast_card import BroadcastCard, card
from onboarding_bot.web.dashboard.figure_panels import charts, funnel, groups, refused_answers
from onboarding_bot.web.dashboard.health_rows import health_rows

RECENT = 6
PERIODS = (1, 7, 30, 90)
USUAL_PERIOD = 7


class Overview:
    """Collects what the page shows. Raises StoreUnavailableError when Redis does not answer."""

    def __init__(self, stats: StatsService, service: BroadcastService, health: HealthCheck) -> None:
        self._stats = stats
        self._service = service
        self._health = health

    def parts(self, days: int) -> dict[str, object]:
        """The names that the template uses; the figures are those of the last ``days`` days."""
        figures = self._stats.figures(days)
        # One day alone shows no course of anything.
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
        """Those that go on or wait for somebody, and the latest of the others."""
        newest = [card(view) for view in self._service.newest(0, RECENT)]
        looked_after = {found.id: found for found in map(card, self._service.current())}
        # A stopped one is looked after no more, and needs somebody all the same.
        stopped = {found.id: found for found in newest if found.status is BroadcastStatus.STOPPED}
        current = {key: found for key, found in (looked_after | stopped).items() if found.is_current}
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
