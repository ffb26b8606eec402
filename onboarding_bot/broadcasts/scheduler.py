"""Looks after every broadcast once a second: what begins, what goes on, what has to wait, and what is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from onboarding_bot.broadcasts.audience import ENROL, ENROL_LEASE
from onboarding_bot.broadcasts.sender import PUMP, PUMP_LEASE
from onboarding_bot.broadcasts.wave_progress import wave_baseline, wave_result
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RowState
from onboarding_bot.outbound.waves import WAVE_PAUSE, reason_to_pause, wave_limits
from onboarding_bot.quiet_hours import QuietHours
from onboarding_bot.storage.ledger import BroadcastRecord, Ledger

# A call to Twilio takes 13 s at most; a row that is "sending" for longer has lost its worker.
LOST_AFTER = timedelta(seconds=20)
RATE_EVERY = timedelta(seconds=5)


class BroadcastScheduler:
    """Run by one worker at a time. ``enrol`` and ``pump`` put a job for a broadcast and a shard into the queue."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        enrol: Callable[[str, int], None],
        pump: Callable[[str, int], None],
        is_marketing: Callable[[str], bool],
        waves: tuple[int, ...],
        quiet_hours: QuietHours | None,
        now: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._enrol = enrol
        self._pump = pump
        self._is_marketing = is_marketing
        self._waves = waves
        self._quiet_hours = quiet_hours
        self._now = now

    def tick(self) -> None:
        """Look at every broadcast that is not over."""
        for broadcast_id in self._ledger.active():
            try:
                self._look_after(broadcast_id)
            except StoreUnavailableError:
                raise
            except Exception as error:  # noqa: BLE001 - one broken broadcast must not end the care for all others
                logger().error("broadcast_postponed", broadcast=broadcast_id, **describe(error))

    def _look_after(self, broadcast_id: str) -> None:
        record = self._ledger.find(broadcast_id)
        if record is None:
            return
        match record.status:
            case BroadcastStatus.SCHEDULED:
                self._ledger.schedule(record.id, record.definition.schedule_at or self._now())
            case BroadcastStatus.COUNTING:
                self._begin(record)
            case BroadcastStatus.SENDING:
                self._settle(record)
                self._go_on(record)
            case BroadcastStatus.PAUSED:
                self._settle(record)
            case _:
                self._settle(record)
                if not self._ledger.in_flight(record.id):
                    self._ledger.retire(record.id, record.status)

    def _settle(self, record: BroadcastRecord) -> None:
        """Rows that have lost their worker are uncertain, whatever has become of the broadcast."""
        lost = self._ledger.mark_uncertain(record.id, self._now() - LOST_AFTER)
        if lost:
            logger().warning("broadcast_rows_uncertain", broadcast=record.id, count=lost)

    def _begin(self, record: BroadcastRecord) -> None:
        """Fix the audience; from here on rows are made and messages sent side by side."""
        content_sid = record.definition.content_sid
        if content_sid and self._is_marketing(content_sid):
            self._ledger.note(record.id, is_marketing=1)
        size = self._ledger.copy_audience(record.id, record.definition.target_step, self._now())
        # Until somebody is found, nobody may be attempted.
        self._ledger.note(record.id, audience=size, wave=0, wave_limit=0)
        self._ledger.move(record.id, BroadcastStatus.SENDING, (BroadcastStatus.COUNTING,))
        logger().info("broadcast_begins", broadcast=record.id, audience=size)

    def _go_on(self, record: BroadcastRecord) -> None:
        self._make_rows(record)
        counts = self._ledger.counts(record.id)
        self._measure_rate(record, counts.get("accepted", 0))
        if record.is_counted and not counts.get(RowState.PENDING, 0) + counts.get(RowState.SENDING, 0):
            _, completed = self._ledger.move(record.id, BroadcastStatus.COMPLETED, (BroadcastStatus.SENDING,))
            if completed:
                logger().info("broadcast_completed", broadcast=record.id)
            return
        is_over = record.number("wave_ended_at") > 0
        if reason := reason_to_pause(wave_result(record, counts), is_over=is_over):
            self._ledger.move(record.id, BroadcastStatus.PAUSED, (BroadcastStatus.SENDING,), reason)
            logger().warning("broadcast_paused", broadcast=record.id, reason=reason)
            return
        if self._rests(record) or self._waits_for_next_wave(record, counts):
            return
        for shard in self._ledger.due_shards(record.id, self._now()):
            if self._ledger.lease(record.id, shard, PUMP, PUMP_LEASE):
                self._pump(record.id, shard)

    def _make_rows(self, record: BroadcastRecord) -> None:
        if record.is_counted:
            return
        missing = self._ledger.shards_not_enrolled(record.id)
        for shard in missing:
            if self._ledger.lease(record.id, shard, ENROL, ENROL_LEASE):
                self._enrol(record.id, shard)
        if not missing:
            recipients = _recipients(self._ledger.counts(record.id))
            self._ledger.note(record.id, counted_at=self._now().timestamp(), recipients=recipients)

    def _measure_rate(self, record: BroadcastRecord, accepted: int) -> None:
        now = self._now().timestamp()
        seconds = now - record.number("seen_at")
        if seconds >= RATE_EVERY.total_seconds():
            rate = (accepted - record.number("seen_count")) / seconds if record.number("seen_at") else 0.0
            self._ledger.note(record.id, seen_at=now, seen_count=accepted, rate=round(rate, 2))

    def _rests(self, record: BroadcastRecord) -> bool:
        until = self._quiet_hours.until(self._now()) if self._quiet_hours else None
        text = until.isoformat() if until else ""
        if record.fields.get("rests_until", "") != text:
            self._ledger.note(record.id, rests_until=text)
        return until is not None

    def _waits_for_next_wave(self, record: BroadcastRecord, counts: Mapping[str, int]) -> bool:
        """Say how many may be attempted by now; whether that many were, and the pause after them is not over."""
        recipients = record.number("recipients") if record.is_counted else _recipients(counts)
        limits = wave_limits(recipients, self._waves, is_counted=record.is_counted)
        wave = min(record.number("wave"), len(limits) - 1)
        limit = limits[wave]
        if limit is not None and record.is_counted and record.number("started") >= limit:
            ended_at = record.number("wave_ended_at")
            if not ended_at:
                self._ledger.note(record.id, wave_ended_at=self._now().timestamp())
            if not ended_at or self._now().timestamp() < ended_at + WAVE_PAUSE.total_seconds():
                return True
            wave, limit = wave + 1, limits[wave + 1]
            self._ledger.note(record.id, wave=wave, wave_ended_at=0, **wave_baseline(counts))
        text = "" if limit is None else str(limit)
        if record.fields.get("wave_limit") != text:
            self._ledger.note(record.id, wave_limit=text)
        return False


def _recipients(counts: Mapping[str, int]) -> int:
    return sum(counts.get(state, 0) for state in RowState if state is not RowState.SKIPPED)
