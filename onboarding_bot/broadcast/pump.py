"""Sends one shard's part of a broadcast: a slot, a last look at the person, one call, and the outcome written down."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Protocol

from onboarding_bot.logs import logger
from onboarding_bot.outbound.error_codes import Verdict, verdict_on
from onboarding_bot.outbound.states import BroadcastStatus, RowState
from onboarding_bot.rest_hours import RestHours
from onboarding_bot.services.twilio_messages import SendResult, Sent, TwilioMessages
from onboarding_bot.store.ledger import BroadcastRecord, Claim, Ledger

PUMP = "pump"
PUMP_LEASE = timedelta(seconds=15)
# Short, so that a nudge or an OTP never waits long for a thread.
SLICE_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 1.0
CANDIDATES = 16
# A slot that was missed by more than this is taken anew: two late ones together would go too fast.
LATE_SECONDS = 0.02
TRIES_MAX = 5
STRIKES = 3
LATER = (timedelta(hours=24), timedelta(hours=72))
POSTPONED_AT_MOST = timedelta(minutes=10)


class Sender(Protocol):
    """What the pump needs of Twilio's client."""

    send_text: Callable[..., Sent]
    send_template: Callable[..., Sent]


class Pump:
    """One for each worker process; any number of threads use it at once."""

    def __init__(
        self,
        ledger: Ledger,
        messages: TwilioMessages,
        *,
        messages_per_second: int,
        daily_limit: int,
        rest_hours: RestHours | None,
        now: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._messages = messages
        self._seconds_between = 1 / messages_per_second
        self._daily_limit = daily_limit
        self._rest_hours = rest_hours
        self._now = now

    def run(self, broadcast_id: str, shard: int) -> bool:
        """Send for a short while; whether there is more to send in this shard right now."""
        end = monotonic() + SLICE_SECONDS
        while monotonic() < end:
            record = self._ledger.find(broadcast_id)
            if record is None or not self._may_send(record):
                break
            self._ledger.renew(broadcast_id, shard, PUMP, PUMP_LEASE)
            candidates = self._ledger.candidates(broadcast_id, shard, CANDIDATES, self._now())
            look_again = monotonic() + LOOK_AGAIN_SECONDS
            for person_id, wrote_lately in candidates:
                if not self._send_to(record, person_id, wrote_lately=wrote_lately):
                    self._ledger.give_back(broadcast_id, shard, PUMP)
                    return False
                if monotonic() > look_again:
                    break
            if not candidates:
                self._ledger.give_back(broadcast_id, shard, PUMP)
                return False
        else:
            return True
        self._ledger.give_back(broadcast_id, shard, PUMP)
        return False

    def _may_send(self, record: BroadcastRecord) -> bool:
        rests = self._rest_hours is not None and self._rest_hours.until(self._now()) is not None
        return record.status is BroadcastStatus.SENDING and not rests

    def _send_to(self, record: BroadcastRecord, person_id: str, *, wrote_lately: bool) -> bool:
        """Whether the shard may go on."""
        if not self._wait_for_slot(record, person_id, wrote_lately=wrote_lately):
            return False
        claim = self._ledger.claim(record.id, person_id, record.definition, self._now())
        if claim is None:
            return True
        sent = self._call(record, person_id, claim)
        return self._write_down(record, person_id, claim, sent)

    def _wait_for_slot(self, record: BroadcastRecord, person_id: str, *, wrote_lately: bool) -> bool:
        outside = person_id if record.definition.is_template and not wrote_lately else None
        is_first_try = True
        while True:
            asked = monotonic()
            slot = self._ledger.take_slot(
                record.id, self._seconds_between, outside, self._daily_limit, is_first_try=is_first_try
            )
            if slot.verdict == "daily":
                wait = min(timedelta(seconds=slot.wait_seconds), POSTPONED_AT_MOST)
                self._ledger.postpone(record.id, person_id, self._now() + wait)
            if slot.verdict != "go":
                return False
            sleep(slot.wait_seconds)
            if monotonic() - asked <= slot.wait_seconds + LATE_SECONDS:
                return True
            is_first_try = False

    def _call(self, record: BroadcastRecord, person_id: str, claim: Claim) -> Sent:
        definition, to = record.definition, claim.contact.address
        callback = {"broadcast": record.id, "row": person_id}
        if definition.content_sid:
            return self._messages.send_template(to, definition.content_sid, definition.content_variables, callback)
        return self._messages.send_text(to, definition.message or "", callback)

    def _write_down(self, record: BroadcastRecord, person_id: str, claim: Claim, sent: Sent) -> bool:
        match sent.result:
            case SendResult.ACCEPTED:
                self._ledger.record(record.id, person_id, RowState.SENT, message_sid=sent.message_sid)
            case SendResult.UNCERTAIN:
                self._ledger.record(record.id, person_id, RowState.UNCERTAIN)
            case SendResult.NOT_PROCESSED:
                if sent.retry_after is not None:
                    self._ledger.slow_down(sent.retry_after)
                self._try_again(record, person_id, claim, sent.code)
            case SendResult.REFUSED:
                return self._refused(record, person_id, claim, sent.code)
        return True

    def _refused(self, record: BroadcastRecord, person_id: str, claim: Claim, code: int) -> bool:
        match verdict_on(code):
            case Verdict.RETRY:
                self._try_again(record, person_id, claim, code)
            case Verdict.STOP_BROADCAST:
                self._ledger.record(record.id, person_id, RowState.PENDING, again_at=self._now(), is_known_not_out=True)
                reason = f"Twilio error {code}"
                self._ledger.move(record.id, BroadcastStatus.STOPPED, (BroadcastStatus.SENDING,), reason)
                logger().error("broadcast_stopped", broadcast=record.id, code=code)
                return False
            case Verdict.LATER if claim.tries <= len(LATER):
                again_at = self._now() + LATER[claim.tries - 1]
                self._ledger.record(record.id, person_id, RowState.PENDING, again_at=again_at, is_known_not_out=True)
            case verdict:
                self._fail(record, person_id, code)
                if verdict is Verdict.SUPPRESS:
                    self._ledger.suppress(person_id, code)
                elif verdict is Verdict.COUNT_AGAINST:
                    self._ledger.count_against(record.id, person_id, code, STRIKES)
        return True

    def _try_again(self, record: BroadcastRecord, person_id: str, claim: Claim, code: int) -> None:
        if claim.tries >= TRIES_MAX:
            self._fail(record, person_id, code)
            return
        again_at = self._now() + timedelta(seconds=2**claim.tries)
        self._ledger.record(record.id, person_id, RowState.PENDING, again_at=again_at, is_known_not_out=True)

    def _fail(self, record: BroadcastRecord, person_id: str, code: int) -> None:
        self._ledger.record(record.id, person_id, RowState.FAILED, code=str(code), is_known_not_out=True)
