"""What admins do with broadcasts: create, watch, pause, resume and cancel them, and resend to uncertain recipients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from onboarding_bot.errors import BotError
from onboarding_bot.outbound.broadcast_definition import Definition
from onboarding_bot.outbound.broadcast_states import HELD, RUNNING, BroadcastStatus, RecipientState, SkipReason
from onboarding_bot.outbound.waves import wave_start
from onboarding_bot.storage.broadcast_records import BroadcastRecord, BroadcastRecords
from onboarding_bot.storage.contacts import Contacts
from onboarding_bot.storage.recipients import Recipient, Recipients

# What stands in the place of an address: of a person who was erased, and of one whose record has expired.
ERASED, UNKNOWN = "erased", "unknown"
NO_ADDRESSES = frozenset({ERASED, UNKNOWN})


class UnknownBroadcastError(BotError):
    """There is no broadcast with this id."""

    code = "broadcast.unknown"


class OtherDefinitionError(BotError):
    """The Idempotency-Key was used for another broadcast."""

    code = "broadcast.other_definition"


class WrongStatusError(BotError):
    """A broadcast in this status cannot be asked for that."""

    code = "broadcast.wrong_status"

    def __init__(self, status: BroadcastStatus) -> None:
        super().__init__(status.value)
        self.status = status


@dataclass(frozen=True, slots=True)
class BroadcastView:
    """A broadcast as admins see it. ``recipient_count`` leaves skipped people out, and is None while counting."""

    record: BroadcastRecord
    recipient_count: int | None
    sent_count: int
    counts: Mapping[str, int]
    skipped: Mapping[str, int]
    errors: Mapping[str, int]
    rate_per_second: float
    eta: datetime | None


@dataclass(frozen=True, slots=True)
class RecipientLine:
    """One recipient for an admin's file, with the person's address."""

    address: str
    recipient: Recipient


class BroadcastService:
    """The admin's side of broadcasts. Every method raises StoreUnavailableError when Redis does not answer."""

    def __init__(
        self, records: BroadcastRecords, recipients: Recipients, contacts: Contacts, now: Callable[[], datetime]
    ) -> None:
        self._records = records
        self._recipients = recipients
        self._contacts = contacts
        self._now = now

    def is_known(self, idempotency_key: str) -> bool:
        """Whether a broadcast was begun under this key."""
        return self._records.find_by_key(idempotency_key) is not None

    def create(self, definition: Definition, idempotency_key: str | None) -> BroadcastView:
        """Begin a broadcast, or return the one that the key stands for.

        Raises OtherDefinitionError, and InvalidFieldError for a new one whose time is over, or more than a year ahead.
        """
        if idempotency_key is None or not self.is_known(idempotency_key):
            definition.check_schedule(self._now())
        broadcast_id, is_same = self._records.create(definition, self._now(), idempotency_key)
        if not is_same:
            raise OtherDefinitionError("this Idempotency-Key belongs to another broadcast")
        return self.view(broadcast_id)

    def view(self, broadcast_id: str) -> BroadcastView:
        """A broadcast with its figures. Raises UnknownBroadcastError."""
        record = self._find(broadcast_id)
        counts = self._recipients.counts(broadcast_id)
        states = {state.value: counts.get(state.value, 0) for state in RecipientState}
        recipients = sum(states.values()) - states[RecipientState.SKIPPED] if record.is_counted else None
        sent_count = counts.get("accepted", 0)
        rate = self._rate(record, sent_count)
        waiting = states[RecipientState.PENDING] + states[RecipientState.SENDING]
        is_moving = record.status is BroadcastStatus.SENDING and rate > 0
        return BroadcastView(
            record=record,
            recipient_count=recipients,
            sent_count=sent_count,
            counts=states,
            skipped={reason.value: counts.get(f"skipped:{reason}", 0) for reason in SkipReason},
            errors={name.removeprefix("failed:"): n for name, n in counts.items() if n and name.startswith("failed:")},
            rate_per_second=round(rate, 1),
            eta=self._now() + timedelta(seconds=waiting / rate) if is_moving else None,
        )

    def newest(self, offset: int, count: int) -> list[BroadcastView]:
        """Broadcasts with their figures, the newest first."""
        return [self.view(broadcast_id) for broadcast_id in self._records.newest(offset, count)]

    def current(self) -> list[BroadcastView]:
        """Those that are not over, or have messages in flight, the oldest first."""
        return [self.view(broadcast_id) for broadcast_id in self._records.active()]

    def pause(self, broadcast_id: str) -> BroadcastView:
        """Hold it until an admin resumes it. Raises UnknownBroadcastError, WrongStatusError."""
        return self._move(broadcast_id, BroadcastStatus.PAUSED, RUNNING, "paused by an admin")

    def resume(self, broadcast_id: str) -> BroadcastView:
        """Go on; a new broadcast in its place would write to people twice.

        A wave that was paused for its failures is judged anew from here.
        """
        record = self._find(broadcast_id)
        if record.status.is_held:
            self._records.set_fields(broadcast_id, **wave_start(self._recipients.counts(broadcast_id)))
        return self._move(broadcast_id, _status_after_resuming(record), HELD, "")

    def cancel(self, broadcast_id: str) -> BroadcastView:
        """End it for good; what is out stays out."""
        return self._move(broadcast_id, BroadcastStatus.CANCELLED, (*RUNNING, *HELD), "cancelled by an admin")

    def begin(self, broadcast_id: str) -> None:
        """Begin a scheduled broadcast whose time has come; one that is held, or over, is left as it is.

        One that is resumed later is scheduled anew by the scheduler.
        """
        self._records.transition(broadcast_id, BroadcastStatus.COUNTING, (BroadcastStatus.SCHEDULED,))
        self._records.unschedule(broadcast_id)

    def pause_all(self) -> list[str]:
        """Hold everything that runs; the ids of what was held."""
        return [
            broadcast_id
            for broadcast_id in self._records.active()
            if self._records.transition(broadcast_id, BroadcastStatus.PAUSED, RUNNING, "everything was paused")[1]
        ]

    def resend_uncertain(self, broadcast_id: str) -> int:
        """Make every uncertain recipient pending again; how many. Only an admin can know that it is wanted.

        Raises UnknownBroadcastError, and WrongStatusError when it was cancelled.
        """
        record = self._find(broadcast_id)
        if record.status is BroadcastStatus.CANCELLED:
            raise WrongStatusError(record.status)
        resent = 0
        for batch in self._recipients.all(broadcast_id):
            for recipient in batch:
                if recipient.state is RecipientState.UNCERTAIN and not recipient.is_erased:
                    resent += self._recipients.send_again(broadcast_id, recipient.person_id, self._now())
        if resent:
            self._records.reopen(broadcast_id)
        return resent

    def recipients(self, broadcast_id: str) -> Iterator[RecipientLine]:
        """Every recipient with an address, read in batches. Raises UnknownBroadcastError before the first one."""
        self._find(broadcast_id)
        return self._lines(broadcast_id)

    def _lines(self, broadcast_id: str) -> Iterator[RecipientLine]:
        for batch in self._recipients.all(broadcast_id):
            known = [recipient.person_id for recipient in batch if not recipient.is_erased]
            contacts = dict(zip(known, self._contacts.of(known), strict=True))
            for recipient in batch:
                contact = contacts.get(recipient.person_id)
                address = ERASED if recipient.is_erased else contact.address if contact else UNKNOWN
                yield RecipientLine(address, recipient)

    def _find(self, broadcast_id: str) -> BroadcastRecord:
        record = self._records.find(broadcast_id)
        if record is None:
            raise UnknownBroadcastError(broadcast_id)
        return record

    def _move(
        self, broadcast_id: str, to: BroadcastStatus, came_from: tuple[BroadcastStatus, ...], reason: str
    ) -> BroadcastView:
        self._find(broadcast_id)
        before, moved = self._records.transition(broadcast_id, to, came_from, reason)
        if not moved and before is not to:
            raise WrongStatusError(before)
        return self.view(broadcast_id)

    def _rate(self, record: BroadcastRecord, sent_count: int) -> float:
        """Messages a second since the scheduler last measured, or as it measured last."""
        seen_at = record.number("seen_at")
        seconds = self._now().timestamp() - seen_at if seen_at else 0.0
        gained = sent_count - record.number("seen_count")
        return gained / seconds if seconds >= 1 and gained > 0 else float(record.fields.get("rate", 0))


def _status_after_resuming(record: BroadcastRecord) -> BroadcastStatus:
    if "audience" in record.fields:
        return BroadcastStatus.SENDING
    # The scheduler begins it in time, or at once when its time has passed.
    return BroadcastStatus.SCHEDULED if record.definition.schedule_at else BroadcastStatus.COUNTING
