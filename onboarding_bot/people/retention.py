"""Deletes what has been kept for its retention period and does not expire by itself in Redis."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from onboarding_bot.observability.logs import logger
from onboarding_bot.outbound.broadcast_states import BroadcastStatus
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.ledger import BroadcastRecord, Ledger
from onboarding_bot.storage.session_store import SessionStore

_HELD = (BroadcastStatus.PAUSED, BroadcastStatus.STOPPED)


class RetentionRound:
    """Goes once through what has a retention period; a second time changes nothing.

    ``broadcast_life`` and ``backup_life`` are how long broadcasts and backups are kept.
    """

    def __init__(
        self,
        store: SessionStore,
        erasures: Erasures,
        ledger: Ledger,
        *,
        broadcast_life: timedelta,
        backup_life: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._erasures = erasures
        self._ledger = ledger
        self._broadcast_life = broadcast_life
        self._backup_life = backup_life
        self._now = now

    def run(self) -> None:
        """Take silent people out of the indexes, and delete old entries of the list of erasures and old broadcasts.

        Raises StoreUnavailableError; the next round goes on.
        """
        now = self._now()
        self._store.forget_silent_people(now)
        self._erasures.log.forget_before(now - self._backup_life)
        for broadcast_id in self._ledger.made_before(now - self._broadcast_life):
            record = self._ledger.find(broadcast_id)
            if record is None or self._is_over(record, now):
                self._ledger.forget(broadcast_id)
                logger().info("broadcast_forgotten", broadcast=broadcast_id)

    def _is_over(self, record: BroadcastRecord, now: datetime) -> bool:
        """Whether nothing has happened for ``broadcast_life``, and nothing will; one held for so long is cancelled."""
        last_seen = datetime.fromtimestamp(record.number("seen_at"), UTC)
        if max(last_seen, record.definition.schedule_at or last_seen) >= now - self._broadcast_life:
            return False
        if record.status in _HELD:
            return self._ledger.move(record.id, BroadcastStatus.CANCELLED, _HELD, "held for too long")[1]
        return record.status.is_final
