"""Sends one shard's part of a broadcast: a slot, a last look at the person, one call, and the outcome written down."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from onboarding_bot.broadcasts.retry_schedule import BACK_OFF, LIMITED_AT_MOST, retry_after_refusal, with_back_off
from onboarding_bot.conversation.contact import Contact
from onboarding_bot.observability.logs import logger
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RowState
from onboarding_bot.outbound.twilio_errors import SENDER_LIMITED, Verdict, verdict_on
from onboarding_bot.quiet_hours import QuietHours
from onboarding_bot.services.twilio_messages import PAUSE_SECONDS, SendResult, Sent
from onboarding_bot.storage.ledger import Again, BroadcastRecord, Candidate, Ledger
from onboarding_bot.storage.send_slots import SendSlots

PUMP = "pump"
PUMP_LEASE = timedelta(seconds=15)
# Short, so that a nudge or an OTP never waits long for a thread.
SLICE_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 1.0
CANDIDATES = 16
# A slot that was missed by more than this is taken anew: two late ones together would go too fast.
LATE_SECONDS = 0.02
# Where everything is always late, something has to go out nevertheless: by then it has used up this many slots more.
MISSED_AT_MOST = 3
STRIKES = 3
POSTPONED_AT_MOST = timedelta(minutes=10)


class Sender(Protocol):
    """What the pump needs of Twilio's client."""

    def send_text(self, to: str, body: str, callback: Mapping[str, str] | None = None) -> Sent:
        """Send free text."""

    def send_template(
        self, to: str, content_sid: str, variables: Mapping[str, str], callback: Mapping[str, str] | None = None
    ) -> Sent:
        """Send an approved template."""


class BroadcastSender:
    """One for each worker process; any number of threads use it at once.

    ``accepted`` is told of each message that Twilio took.
    """

    def __init__(
        self,
        ledger: Ledger,
        slots: SendSlots,
        messages: Sender,
        *,
        messages_per_second: int,
        daily_limit: int,
        quiet_hours: QuietHours | None,
        now: Callable[[], datetime],
        accepted: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger = ledger
        self._slots = slots
        self._messages = messages
        self._seconds_between = 1 / messages_per_second
        self._daily_limit = daily_limit
        self._quiet_hours = quiet_hours
        self._now = now
        self._accepted = accepted
        self._monotonic = monotonic
        self._sleep = sleep
        self._quickest_trip = float("inf")

    def run(self, broadcast_id: str, shard: int) -> bool:
        """Send for a short while; whether there is more to send in this shard right now."""
        end = self._monotonic() + SLICE_SECONDS
        goes_on = True
        while goes_on and self._monotonic() < end:
            goes_on = self._send_some(broadcast_id, shard, end)
        if not goes_on:
            self._ledger.give_back(broadcast_id, shard, PUMP)
        return goes_on

    def _send_some(self, broadcast_id: str, shard: int, end: float) -> bool:
        """Send to the next few people; whether the shard may go on."""
        record = self._ledger.find(broadcast_id)
        if record is None or not self._may_send(record):
            return False
        self._ledger.renew(broadcast_id, shard, PUMP, PUMP_LEASE)
        candidates = self._ledger.candidates(broadcast_id, shard, CANDIDATES, self._now())
        look_again = self._monotonic() + LOOK_AGAIN_SECONDS
        for candidate in candidates:
            if not self._send_to(record, candidate, end):
                return False
            if self._monotonic() > look_again:
                break
        return bool(candidates)

    def _may_send(self, record: BroadcastRecord) -> bool:
        rests = self._quiet_hours is not None and self._quiet_hours.until(self._now()) is not None
        return record.status is BroadcastStatus.SENDING and not rests

    def _send_to(self, record: BroadcastRecord, candidate: Candidate, end: float) -> bool:
        """Whether the shard may go on."""
        person_id, missed = candidate.person_id, 0
        while True:
            verdict, moment = self._wait_for_slot(record, candidate, end, missed)
            if verdict != "go":
                # With a full day, others of this shard may be inside the window.
                return verdict == "daily"
            if not self._is_missed(moment, missed):
                contact = self._ledger.claim(record.id, person_id, record.definition, self._now())
                if contact is None:
                    return True
                # Redis, or this machine, may have stood still once more.
                if not self._is_missed(moment + self._quickest_trip, missed):
                    return self._send(record, candidate, contact)
                self._ledger.put_back(record.id, person_id, self._now())
            missed += 1

    def _is_missed(self, moment: float, before: int) -> bool:
        return before < MISSED_AT_MOST and self._monotonic() - moment > LATE_SECONDS

    def _wait_for_slot(
        self, record: BroadcastRecord, candidate: Candidate, end: float, missed: int
    ) -> tuple[str, float]:
        """Sleep until this recipient's moment; the slot's verdict, and the moment that it was for."""
        outside = candidate.person_id if record.definition.is_template and not candidate.wrote_lately else None
        is_first_try = candidate.is_first_try and not missed
        while True:
            asked = self._monotonic()
            slot = self._slots.take(
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
                    self._ledger.postpone(record.id, candidate.person_id, self._now() + wait)
                    return "daily", asked
                case verdict:
                    return verdict, asked

    def _send(self, record: BroadcastRecord, candidate: Candidate, contact: Contact) -> bool:
        """Whether the shard may go on."""
        sent = self._call(record, candidate.person_id, contact)
        if sent.retry_after is not None:
            self._slots.slow_down(sent.retry_after)
        if sent.code == SENDER_LIMITED:
            return self._limited(record, candidate)
        return self._write_down(record, contact, candidate.person_id, sent)

    def _call(self, record: BroadcastRecord, person_id: str, contact: Contact) -> Sent:
        definition, to = record.definition, contact.address
        callback = {"broadcast": record.id, "row": person_id}
        if definition.content_sid:
            return self._messages.send_template(to, definition.content_sid, definition.content_variables, callback)
        return self._messages.send_text(to, definition.message or "", callback)

    def _limited(self, record: BroadcastRecord, candidate: Candidate) -> bool:
        """63018: everybody pauses as long as it has gone on so far; when it does not pass, the broadcast stops.

        It goes on when this recipient met it time after time, or when nobody's message was taken for half a minute.
        Returns whether the shard may go on.
        """
        now = self._now()
        lasted = now - self._ledger.limited_since(record.id, now)
        # What was tried before an admin resumed the broadcast is another story.
        is_since = not record.moved_at or bool(candidate.changed_at and candidate.changed_at > record.moved_at)
        is_worn_out = candidate.retries >= len(BACK_OFF)
        stops = lasted >= LIMITED_AT_MOST or (is_worn_out and is_since)
        begins_anew = Again((now if stops else now + BACK_OFF[0],))
        again = begins_anew if stops or is_worn_out else with_back_off(now)
        self._ledger.record(record.id, candidate.person_id, RowState.FAILED, code=str(SENDER_LIMITED), again=again)
        if stops:
            self._ledger.limit_is_over(record.id)
            self._stop(record, SENDER_LIMITED)
        else:
            self._slots.slow_down(max(PAUSE_SECONDS, lasted.total_seconds()))
        return not stops

    def _write_down(self, record: BroadcastRecord, contact: Contact, person_id: str, sent: Sent) -> bool:
        """Whether the shard may go on."""
        match sent.result:
            case SendResult.ACCEPTED:
                self._accepted()
                self._ledger.record(record.id, person_id, RowState.SENT, message_sid=sent.message_sid)
                if record.is_limited:
                    self._ledger.limit_is_over(record.id)
            case SendResult.UNCERTAIN:
                self._ledger.record(record.id, person_id, RowState.UNCERTAIN)
            case SendResult.NOT_PROCESSED:
                self._ledger.record(
                    record.id, person_id, RowState.FAILED, code=str(sent.code), again=with_back_off(self._now())
                )
            case SendResult.REFUSED:
                return self._refused(record, contact, person_id, sent.code)
        return True

    def _refused(self, record: BroadcastRecord, contact: Contact, person_id: str, code: int) -> bool:
        """Whether the shard may go on."""
        again = retry_after_refusal(code, self._now())
        self._ledger.record(record.id, person_id, RowState.FAILED, code=str(code), again=again)
        match verdict_on(code, contact.address):
            case Verdict.STOP_BROADCAST:
                self._stop(record, code)
                return False
            case Verdict.SUPPRESS:
                self._ledger.suppress(person_id, code)
            case Verdict.COUNT_AGAINST:
                self._ledger.count_against(record.id, person_id, code, STRIKES)
        return True

    def _stop(self, record: BroadcastRecord, code: int) -> None:
        reason = f"Twilio error {code}"
        self._ledger.move(record.id, BroadcastStatus.STOPPED, (BroadcastStatus.SENDING,), reason)
        logger().error("broadcast_stopped", broadcast=record.id, code=code)
