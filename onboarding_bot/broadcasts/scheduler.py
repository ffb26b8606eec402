"""Moves every broadcast on once a second: begins it, has its messages sent, holds it between waves, completes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from onboarding_bot.broadcasts.audience import ADD_RECIPIENTS_LEASE
from onboarding_bot.broadcasts.sender import SEND_LEASE
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState
from onboarding_bot.outbound.waves import WAVE_PAUSE, reason_to_pause, wave_limits, wave_result, wave_start
from onboarding_bot.quiet_hours import QuietHours
from onboarding_bot.storage.audiences import Audiences
from onboarding_bot.storage.broadcast_records import BroadcastRecord, BroadcastRecords
from onboarding_bot.storage.leases import Leases, ShardWork
from onboarding_bot.storage.recipients import Recipients

# A call to Twilio takes 13 s at most; the worker of a recipient that is "sending" for longer has died.
LOST_AFTER = timedelta(seconds=20)
RATE_EVERY = timedelta(seconds=5)


class BroadcastScheduler:
    """Run by one worker at a time.

    ``add_recipients`` and ``send`` put a job for a broadcast and a shard into the queue. ``is_marketing`` tells by its
    ContentSid whether Meta calls a template marketing, and ``waves`` are the shares of recipients in per cent.
    """

    def __init__(
        self,
        *,
        records: BroadcastRecords,
        audiences: Audiences,
        recipients: Recipients,
        leases: Leases,
        add_recipients: Callable[[str, int], None],
        send: Callable[[str, int], None],
        is_marketing: Callable[[str], bool],
        waves: tuple[int, ...],
        quiet_hours: QuietHours | None,
        now: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._audiences = audiences
        self._recipients = recipients
        self._leases = leases
        self._add_recipients = add_recipients
        self._send = send
        self._is_marketing = is_marketing
        self._waves = waves
        self._quiet_hours = quiet_hours
        self._now = now

    def tick(self) -> None:
        """Advance every active broadcast. Raises StoreUnavailableError when Redis does not answer."""
        for broadcast_id in self._records.active():
            try:
                self._advance(broadcast_id)
            except StoreUnavailableError:
                raise
            except Exception as error:  # noqa: BLE001 - one broken broadcast must not keep the others waiting
                logger().error("broadcast_postponed", broadcast=broadcast_id, **describe(error))

    def _advance(self, broadcast_id: str) -> None:
        """Do what the broadcast's status asks for."""
        record = self._records.find(broadcast_id)
        if record is None:
            return
        match record.status:
            case BroadcastStatus.SCHEDULED:
                self._records.schedule(record.id, record.definition.schedule_at or self._now())
            case BroadcastStatus.COUNTING:
                self._begin(record)
            case BroadcastStatus.SENDING:
                self._mark_uncertain(record)
                self._go_on(record)
            case BroadcastStatus.PAUSED:
                self._mark_uncertain(record)
            case _:
                self._mark_uncertain(record)
                if not self._recipients.in_flight(record.id):
                    self._records.deactivate(record.id, record.status)

    def _mark_uncertain(self, record: BroadcastRecord) -> None:
        """Make recipients uncertain whose worker has died; the broadcast may be in any status."""
        lost = self._recipients.mark_uncertain(record.id, self._now() - LOST_AFTER)
        if lost:
            logger().warning("broadcast_rows_uncertain", broadcast=record.id, count=lost)

    def _begin(self, record: BroadcastRecord) -> None:
        """Fix the audience; from here on recipients are added and messages sent side by side."""
        content_sid = record.definition.content_sid
        if content_sid and self._is_marketing(content_sid):
            self._records.set_fields(record.id, is_marketing=1)
        size = self._audiences.fix(record.id, record.definition.target_step, self._now())
        # Until a recipient is found, no message may go out.
        self._records.set_fields(record.id, audience=size, wave=0, wave_limit=0)
        self._records.transition(record.id, BroadcastStatus.SENDING, (BroadcastStatus.COUNTING,))
        logger().info("broadcast_begins", broadcast=record.id, audience=size)

    def _go_on(self, record: BroadcastRecord) -> None:
        """Add recipients, judge the wave, and start jobs that send; complete the broadcast when nothing is left."""
        self._have_recipients_added(record)
        counts = self._recipients.counts(record.id)
        self._measure_rate(record, counts.get("accepted", 0))
        if record.is_counted and not counts.get(RecipientState.PENDING, 0) + counts.get(RecipientState.SENDING, 0):
            _, completed = self._records.transition(record.id, BroadcastStatus.COMPLETED, (BroadcastStatus.SENDING,))
            if completed:
                logger().info("broadcast_completed", broadcast=record.id)
            return
        is_over = record.number("wave_ended_at") > 0
        if reason := reason_to_pause(wave_result(counts, record.number), is_over=is_over):
            self._records.transition(record.id, BroadcastStatus.PAUSED, (BroadcastStatus.SENDING,), reason)
            logger().warning("broadcast_paused", broadcast=record.id, reason=reason)
            return
        if self._is_in_quiet_hours(record) or self._waits_for_next_wave(record, counts):
            return
        for shard in self._recipients.due_shards(record.id, self._now()):
            if self._leases.take(record.id, shard, ShardWork.SEND, SEND_LEASE):
                self._send(record.id, shard)

    def _have_recipients_added(self, record: BroadcastRecord) -> None:
        """Start a job for each shard that has none; once all shards are done, store how many recipients there are."""
        if record.is_counted:
            return
        unfinished = self._audiences.unfinished_shards(record.id)
        for shard in unfinished:
            if self._leases.take(record.id, shard, ShardWork.ADD_RECIPIENTS, ADD_RECIPIENTS_LEASE):
                self._add_recipients(record.id, shard)
        if not unfinished:
            recipients = _recipient_count(self._recipients.counts(record.id))
            self._records.set_fields(record.id, counted_at=self._now().timestamp(), recipients=recipients)

    def _measure_rate(self, record: BroadcastRecord, accepted: int) -> None:
        """Store how many messages a second Twilio has accepted since the last measurement."""
        now = self._now().timestamp()
        seconds = now - record.number("seen_at")
        if seconds >= RATE_EVERY.total_seconds():
            rate = (accepted - record.number("seen_count")) / seconds if record.number("seen_at") else 0.0
            self._records.set_fields(record.id, seen_at=now, seen_count=accepted, rate=round(rate, 2))

    def _is_in_quiet_hours(self, record: BroadcastRecord) -> bool:
        """Whether it is quiet hours now; the record says until when."""
        until = self._quiet_hours.until(self._now()) if self._quiet_hours else None
        text = until.isoformat() if until else ""
        if record.fields.get("rests_until", "") != text:
            self._records.set_fields(record.id, rests_until=text)
        return until is not None

    def _waits_for_next_wave(self, record: BroadcastRecord, counts: Mapping[str, int]) -> bool:
        """Set how many recipients may have had their first try by now; whether so many had, and the pause goes on."""
        recipients = record.number("recipients") if record.is_counted else _recipient_count(counts)
        limits = wave_limits(recipients, self._waves, is_counted=record.is_counted)
        wave = min(record.number("wave"), len(limits) - 1)
        limit = limits[wave]
        if limit is not None and record.is_counted and record.number("started") >= limit:
            ended_at = record.number("wave_ended_at")
            if not ended_at:
                self._records.set_fields(record.id, wave_ended_at=self._now().timestamp())
            if not ended_at or self._now().timestamp() < ended_at + WAVE_PAUSE.total_seconds():
                return True
            wave, limit = wave + 1, limits[wave + 1]
            self._records.set_fields(record.id, wave=wave, wave_ended_at=0, **wave_start(counts))
        text = "" if limit is None else str(limit)
        if record.fields.get("wave_limit") != text:
            self._records.set_fields(record.id, wave_limit=text)
        return False


def _recipient_count(counts: Mapping[str, int]) -> int:
    return sum(counts.get(state, 0) for state in RecipientState if state is not RecipientState.SKIPPED)
