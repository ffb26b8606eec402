"""The figures of ``/stats`` and the dashboard: all shards' sums, put into figures for operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from onboarding_bot.analytics.figures import Figures, figures, period_figures
from onboarding_bot.storage.session_store import SessionStore


class StatsService:
    """Adds up what the store has counted."""

    def __init__(self, store: SessionStore, languages: Sequence[str], now: Callable[[], datetime]) -> None:
        self._store = store
        self._languages = languages
        self._now = now

    def figures(self, days: int = 1) -> Figures:
        """The figures since the beginning, with those of the last ``days`` days in India.

        Raises StoreUnavailableError.
        """
        sums = self._store.add_up(self._now(), days)
        return figures(sums.sessions, sums.counters, period_figures(sums.days, self._languages))
