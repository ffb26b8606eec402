"""The first page: how many people are where, how the bot is doing, and what is being sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from onboarding_bot.analytics.figures import Figures
from onboarding_bot.broadcast.office import BroadcastOffice
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.outbound.states import BroadcastStatus
from onboarding_bot.web.dashboard.access import Access
from onboarding_bot.web.dashboard.broadcast_card import BroadcastCard, card
from onboarding_bot.web.health import HealthCheck

RECENT = 6


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """One step: how many are in it now; ``width`` is the length of its bar in thousandths."""

    step: OnboardingStep
    live: int
    width: float


class Overview:
    """Collects what the page shows. Raises StoreUnavailableError when Redis does not answer."""

    def __init__(self, figures: Callable[[], Figures], office: BroadcastOffice, health: HealthCheck) -> None:
        self._figures = figures
        self._office = office
        self._health = health

    def parts(self) -> dict[str, object]:
        """The names that the template uses."""
        figures = self._figures()
        current, recent = self._broadcasts()
        return {
            "figures": figures,
            "funnel": _funnel(figures),
            "health": self._health.report(),
            "current": current,
            "recent": recent,
        }

    def _broadcasts(self) -> tuple[Sequence[BroadcastCard], Sequence[BroadcastCard]]:
        """Those that go on or wait for somebody, and the latest of the others."""
        newest = [card(view) for view in self._office.newest(0, RECENT)]
        looked_after = {found.id: found for found in map(card, self._office.current())}
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
        return render_template("dashboard/overview.html", **page.parts())


def _funnel(figures: Figures) -> list[FunnelRow]:
    most = max(figures.step_distribution.values(), default=0) or 1
    return [FunnelRow(step, live, live * 1000 / most) for step, live in figures.step_distribution.items()]
