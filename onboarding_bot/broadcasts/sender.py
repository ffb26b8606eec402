"""Sends one shard's part of a broadcast: for each recipient a slot, a claim, one call to Twilio, and its outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.observability.logs import logger
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState
from onboarding_bot.outbound.retry_schedule import BACK_OFF, LIMITED_AT_MOST, RetryPlan, back_off, retry_after_refusal
from onboarding_bot.outbound.twilio_errors import SENDER_LIMITED, Verdict, verdict_on
from onboarding_bot.quiet_hours import QuietHours
from onboarding_bot.services.twilio_messages import PAUSE_SECONDS, SendResult, Sent
from onboarding_bot.storage.broadcast_records import BroadcastRecord, BroadcastRecords
from onboarding_bot.storage.leases import Leases, ShardWork
from onboarding_bot.storage.recipients import Candidate, Recipients
from onboarding_bot.storage.send_slots import SendSlots
from onboarding_bot.storage.suppressions import Suppressions

SEND_LEASE = timedelta(seconds=15)
# Short, so that a reminder or an OTP never waits long for a thread.
SLICE_SECONDS = 2.0
# How soon a job notices that its broadcast was paused or changed.
LOOK_AGAIN_SECONDS = 1.0
CANDIDATES = 16
# A slot that was missed by more than this is taken anew: two late ones together would go too fast.
LATE_SECONDS = 0.02
# Where every slot is missed, a message goes out late after it has used up this many slots.
MISSED_AT_MOST = 3
# So many different broadcasts must meet an error of a number before its person is suppressed.
BROADCASTS_TO_SUPPRESS = 3
POSTPONED_AT_MOST = timedelta(minutes=10)


class MessageClient(Protocol):
    """The part of Twilio's client that sends messages."""

    def send_text(self, to: str, body: str, callback: Mapping[str, str] | None = None) -> Sent:
        """Send free text."""

    def send_template(
        self, to: str, content_sid: str, variables: Mapping[str, str], callback: Mapping[str, str] | None = None
    ) -> Sent:
        """Send an approved template."""


class BroadcastSender:
    """One for each worker process; any number of threads use it at once.

    ``note_accepted`` is called after each message that Twilio accepted. ``run`` raises StoreUnavailableError when Redis
    does not answer.
    """

    def __init__(
        self,
        *,
        records: BroadcastRecords,
        recipients: Recipients,
        leases: Leases,
        suppressions: Suppressions,
        slots: SendSlots,
        messages: MessageClient,
        messages_per_second: int,
        daily_limit: int,
        quiet_hours: QuietHours | None,
        now: Callable[[], datetime],
        note_accepted: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._records = records
        self._recipients = recipients
        self._leases = leases
        self._suppressions = suppressions
        self._slots = slots
        self._messages = messages
        self._seconds_between = 1 / messages_per_second
        self._daily_limit = daily_limit
        self._quiet_hours = quiet_hours
        self._now = now
        self._note_accepted = note_accepted
        self._monotonic = monotonic
        self._sleep = sleep
        self._quickest_trip = float("inf")

    def run(self, broadcast_id: str, shard: int) -> bool:
        """Send to this shard's recipients for SLICE_SECONDS; whether more of them are due right now."""
        end = self._monotonic() + SLICE_SECONDS
        goes_on = True
        while goes_on and self._monotonic() < end:
            goes_on = self._send_some(broadcast_id, shard, end)
        if not goes_on:
            self._leases.give_back(broadcast_id, shard, ShardWork.SEND)
        return goes_on

    def _send_some(self, broadcast_id: str, shard: int, end: float) -> bool:
        """Send to the next few recipients; whether the shard may go on."""
        record = self._records.find(broadcast_id)
        if record is None or not self._may_send(record):
            return False
        self._leases.renew(broadcast_id, shard, ShardWork.SEND, SEND_LEASE)
        candidates = self._recipients.candidates(broadcast_id, shard, CANDIDATES, self._now())
        look_again = self._monotonic() + LOOK_AGAIN_SECONDS
        for candidate in candidates:
            if not self._send_to(record, candidate, end):
                return False
            if self._monotonic() > look_again:
                break
        return bool(candidates)

    def _may_send(self, record: BroadcastRecord) -> bool:
        is_quiet = self._quiet_hours is not None and self._quiet_hours.until(self._now()) is not None
        return record.status is BroadcastStatus.SENDING and not is_quiet

    def _send_to(self, record: BroadcastRecord, candidate: Candidate, end: float) -> bool:
        """Take a slot, claim the recipient in time for it, and send; whether the shard may go on."""
        person_id, missed = candidate.person_id, 0
        while True:
            verdict, moment = self._wait_for_slot(record, candidate, end, missed)
            if verdict != "go":
                # With a full day, others of this shard may be inside the window.
                return verdict == "daily"
            if not self._is_missed(moment, missed):
                contact = self._recipients.claim(record.id, person_id, record.definition, self._now())
                if contact is None:
                    return True
                # Redis, or this machine, may have stood still once more.
                if not self._is_missed(moment + self._quickest_trip, missed):
                    return self._send(record, candidate, contact)
                self._recipients.release_claim(record.id, person_id, self._now())
            missed += 1

    def _is_missed(self, moment: float, before: int) -> bool:
        return before < MISSED_AT_MOST and self._monotonic() - moment > LATE_SECONDS

    def _wait_for_slot(
        self, record: BroadcastRecord, candidate: Candidate, end: float, missed: int
    ) -> tuple[str, float]:
        """Sleep until this recipient's moment; the slot's verdict, and the moment that it was for."""
        outside = candidate.person_id if record.definition.is_template and not candidate.is_inside_window else None
        is_first_try = candidate.is_first_try and not missed
        while True:
            asked = self._monotonic()
            slot = self._slots.take_for_broadcast(
                record.id, self._seconds_between, outside, self._daily_limit, is_first_try=is_first_try
            )
            # The way to Redis is no delay of ours: where it is long, every slot would look late.
            self._quickest_trip = min(self._quickest_trip, self._monotonic() - asked)
            match slot.verdict:
                case "busy" if self._monotonic() + slot.wait_seconds < end:
                    self._sleep(slot.wait_seconds)
                case "go":
                    self._sleep(slot.wait_seconds)
                    return "go", asked + self._quickest_trip + slot.wait_seconds
                case "daily":
                    wait = min(timedelta(seconds=slot.wait_seconds), POSTPONED_AT_MOST)
                    self._recipients.postpone(record.id, candidate.person_id, self._now() + wait)
                    return "daily", asked
                case verdict:
                    return verdict, asked

    def _send(self, record: BroadcastRecord, candidate: Candidate, contact: Contact) -> bool:
        """Call Twilio once, and record how that ended; whether the shard may go on."""
        sent = self._call(record, candidate.person_id, contact)
        if sent.retry_after is not None:
            self._slots.pause(sent.retry_after)
        if sent.code == SENDER_LIMITED:
            return self._limited(record, candidate)
        return self._record(record, contact, candidate.person_id, sent)

    def _call(self, record: BroadcastRecord, person_id: str, contact: Contact) -> Sent:
        definition, to = record.definition, contact.address
        callback = {"broadcast": record.id, "row": person_id}
        if definition.content_sid:
            return self._messages.send_template(to, definition.content_sid, definition.content_variables, callback)
        return self._messages.send_text(to, definition.message or "", callback)

    def _limited(self, record: BroadcastRecord, candidate: Candidate) -> bool:
        """Pause all workers after 63018 for as long as the limit has lasted so far, or stop the broadcast.

        It stops when this recipient met the limit with every retry, or when Twilio has accepted no message for half a
        minute. Returns whether the shard may go on.
        """
        now = self._now()
        lasted = now - self._records.note_limit(record.id, now)
        # Tries from before an admin resumed the broadcast do not count.
        is_since = not record.moved_at or bool(candidate.changed_at and candidate.changed_at > record.moved_at)
        has_no_retry_left = candidate.retries >= len(BACK_OFF)
        stops = lasted >= LIMITED_AT_MOST or (has_no_retry_left and is_since)
        from_the_start = RetryPlan((now if stops else now + BACK_OFF[0],))
        retry = from_the_start if stops or has_no_retry_left else back_off(now)
        self._recipients.record_send(
            record.id, candidate.person_id, RecipientState.FAILED, code=str(SENDER_LIMITED), retry=retry
        )
        if stops:
            self._records.clear_limit(record.id)
            self._stop(record, SENDER_LIMITED)
        else:
            self._slots.pause(max(PAUSE_SECONDS, lasted.total_seconds()))
        return not stops

    def _record(self, record: BroadcastRecord, contact: Contact, person_id: str, sent: Sent) -> bool:
        """Record how the call ended; whether the shard may go on."""
        match sent.result:
            case SendResult.ACCEPTED:
                self._note_accepted()
                self._recipients.record_send(record.id, person_id, RecipientState.SENT, message_sid=sent.message_sid)
                if record.is_limited:
                    self._records.clear_limit(record.id)
            case SendResult.UNCERTAIN:
                self._recipients.record_send(record.id, person_id, RecipientState.UNCERTAIN)
            case SendResult.NOT_PROCESSED:
                self._recipients.record_send(
                    record.id, person_id, RecipientState.FAILED, code=str(sent.code), retry=back_off(self._now())
                )
            case SendResult.REFUSED:
                return self._refused(record, contact, person_id, sent.code)
        return True

    def _refused(self, record: BroadcastRecord, contact: Contact, person_id: str, code: int) -> bool:
        """Record a refusal, and do what its code asks for; whether the shard may go on."""
        retry = retry_after_refusal(code, self._now())
        self._recipients.record_send(record.id, person_id, RecipientState.FAILED, code=str(code), retry=retry)
        match verdict_on(code, contact.address):
            case Verdict.STOP_BROADCAST:
                self._stop(record, code)
                return False
            case Verdict.SUPPRESS:
                self._suppressions.suppress(person_id, code)
            case Verdict.COUNT_AGAINST:
                self._suppressions.suppress_after(BROADCASTS_TO_SUPPRESS, record.id, person_id, code)
        return True

    def _stop(self, record: BroadcastRecord, code: int) -> None:
        reason = f"Twilio error {code}"
        self._records.transition(record.id, BroadcastStatus.STOPPED, (BroadcastStatus.SENDING,), reason)
        logger().error("broadcast_stopped", broadcast=record.id, code=code)
