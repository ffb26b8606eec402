"""Deletes what has been kept for its retention period and does not expire by itself in Redis."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from onboarding_bot.observability.logs import logger
from onboarding_bot.outbound.broadcast_states import HELD, BroadcastStatus
from onboarding_bot.storage.broadcast_records import BroadcastRecord, BroadcastRecords
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.session_store import SessionStore


class RetentionRound:
    """Goes once through what has a retention period; a second time changes nothing.

    ``broadcast_life`` and ``backup_life`` are how long broadcasts and backups are kept.
    """

    def __init__(
        self,
        store: SessionStore,
        erasures: Erasures,
        records: BroadcastRecords,
        *,
        broadcast_life: timedelta,
        backup_life: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._erasures = erasures
        self._records = records
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
        for broadcast_id in self._records.created_before(now - self._broadcast_life):
            record = self._records.find(broadcast_id)
            if record is None or self._is_over(record, now):
                self._records.forget(broadcast_id)
                logger().info("broadcast_forgotten", broadcast=broadcast_id)

    def _is_over(self, record: BroadcastRecord, now: datetime) -> bool:
        """Whether nothing has happened for ``broadcast_life``, and nothing will; one held for so long is cancelled."""
        last_seen = datetime.fromtimestamp(record.number("seen_at"), UTC)
        if max(last_seen, record.definition.schedule_at or last_seen) >= now - self._broadcast_life:
            return False
        if record.status.is_held:
            return self._records.transition(record.id, BroadcastStatus.CANCELLED, HELD, "held for too long")[1]
        return record.status.is_final
