"""A person's place in the sign-up: the step, the answers so far, and what was said to whom lately."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from onboarding_bot.conversation import reply as replies
from onboarding_bot.conversation.reply import Reply

SCHEMA_VERSION = 1
SESSION_LIFETIME = timedelta(hours=24)
REMEMBERED_REPLIES = 64
# Twilio repeats a webhook within 15 s; a person's phone and a proxy may take minutes.
REMEMBERED_FOR = timedelta(minutes=15)


class OnboardingStep(StrEnum):
    """The seven steps of the sign-up, in their order."""

    WELCOME = "welcome"
    NAME = "name"
    SECTOR = "sector"
    PINCODE = "pincode"
    PHONE = "phone"
    CONFIRMATION = "confirmation"
    COMPLETED = "completed"


class OtpPurpose(StrEnum):
    """What an OTP is asked for: the first login, or another one later."""

    SIGN_UP = "sign_up"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Reservation:
    """A place among a phone number's OTP requests of the day; asking twice with one token takes one place."""

    token: str
    phone: str


@dataclass(frozen=True, slots=True)
class OtpIntention:
    """An OTP that this person wants, from the wish until its outcome is known.

    ``id`` is the auth API's idempotency key. Until ``lease_until`` one process is at work on it; afterwards, or
    when that is None, the next YES claims it. ``attempt`` counts the calls that may have sent an SMS, ``since``
    says when it was wished for, ``trace_id`` in which trace it was claimed last.
    """

    id: str
    purpose: OtpPurpose
    reservation: Reservation
    lease_until: datetime | None
    since: datetime
    attempt: int = 1
    trace_id: str = ""

    def in_flight(self, now: datetime) -> bool:
        """Whether a process is at work on it right now."""
        return self.lease_until is not None and now < self.lease_until


@dataclass(frozen=True, slots=True)
class RememberedReply:
    """What a message was answered with, and in which language.

    While ``reply`` is None the message's turn is still running, until ``lease_until``.
    """

    message_sid: str
    at: datetime
    reply: Reply | None
    language: str | None = None
    intention_id: str | None = None
    lease_until: datetime | None = None

    def is_running(self, now: datetime) -> bool:
        """Whether the turn of this message is at work right now, in this process or another one."""
        return self.reply is None and self.lease_until is not None and now < self.lease_until


@dataclass(frozen=True, slots=True)
class Minute:
    """The minute that somebody is writing in: its first message, how many there were, and whether that was too fast."""

    began_at: datetime
    messages: int = 1
    warned: bool = False


@dataclass(frozen=True, slots=True)
class UserSession:
    """The session as it is stored for 24 hours after the last message; times are UTC.

    ``entered_at`` is since when it stands in its step; None when an older release brought it there. ``doubtful_name``
    is what the person was asked about ("is … your name?"), ``confirmed_name`` what they said yes to.
    """

    current_step: OnboardingStep
    created_at: datetime
    updated_at: datetime
    data: Mapping[str, str] = field(default_factory=dict)
    choosing: bool = False
    changing: bool = False
    wrong_answers: int = 0
    voice_notes: int = 0
    nudges: int = 0
    intention: OtpIntention | None = None
    spare_reservation: Reservation | None = None
    handoff_id: str | None = None
    minute: Minute | None = None
    remembered: tuple[RememberedReply, ...] = ()
    entered_at: datetime | None = None
    doubtful_name: str | None = None
    confirmed_name: str | None = None

    @classmethod
    def start(cls, step: OnboardingStep, now: datetime, data: Mapping[str, str] | None = None) -> Self:
        """A session of somebody who has none."""
        return cls(
            current_step=step, created_at=now, updated_at=now, data=data or {}, minute=Minute(now), entered_at=now
        )

    def recall(self, message_sid: str) -> RememberedReply | None:
        """What is known of this message, when it has been here before."""
        return next((known for known in self.remembered if known.message_sid == message_sid), None)

    def remember(self, known: RememberedReply) -> Self:
        """This session with one more remembered reply, in the place of an older one for the same message.

        However many messages get no reply, they never push out one that got some.
        """
        kept = [
            other
            for other in self.remembered
            if other.message_sid != known.message_sid and known.at - other.at < REMEMBERED_FOR
        ]
        return replace(self, remembered=_latest([*kept, known]))

    def remember_all(self, known: Iterable[RememberedReply]) -> Self:
        """This session with these remembered replies, in the order in which their messages came."""
        return replace(self, remembered=_latest(list(known)))

    def to_record(self) -> dict[str, Any]:
        """The session as JSON."""
        return {
            "schema": SCHEMA_VERSION,
            "current_step": self.current_step.value,
            "data": dict(self.data),
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
            "choosing": self.choosing,
            "changing": self.changing,
            "wrong_answers": self.wrong_answers,
            "voice_notes": self.voice_notes,
            "nudges": self.nudges,
            "intention": _intention_to_record(self.intention),
            "spare_reservation": _reservation_to_record(self.spare_reservation),
            "handoff_id": self.handoff_id,
            "minute": _minute_to_record(self.minute),
            "remembered": [_remembered_to_record(known) for known in self.remembered],
            "entered_at": time_to_record(self.entered_at),
            "doubtful_name": self.doubtful_name,
            "confirmed_name": self.confirmed_name,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The session that any release wrote: what a release did not know yet takes its default.

        Raises KeyError, TypeError or ValueError when ``record`` is no session at all.
        """
        try:
            return cls(
                current_step=OnboardingStep(record["current_step"]),
                data=dict(record["data"]),
                created_at=datetime.fromisoformat(record["created_at"]),
                updated_at=datetime.fromisoformat(record["updated_at"]),
                choosing=record.get("choosing", False),
                changing=record.get("changing", False),
                wrong_answers=record.get("wrong_answers", 0),
                voice_notes=record.get("voice_notes", 0),
                nudges=record.get("nudges", 0),
                intention=_intention_from_record(record.get("intention")),
                spare_reservation=_reservation_from_record(record.get("spare_reservation")),
                handoff_id=record.get("handoff_id"),
                minute=_minute_from_record(record.get("minute")),
                remembered=tuple(_remembered_from_record(known) for known in record.get("remembered", [])),
                entered_at=time_from_record(record.get("entered_at")),
                doubtful_name=record.get("doubtful_name"),
                confirmed_name=record.get("confirmed_name"),
            )
        except AttributeError as error:
            raise TypeError("a part of the record has another shape") from error


def time_to_record(moment: datetime | None) -> str | None:
    """A moment as ISO 8601, or None."""
    return moment.isoformat() if moment else None


def time_from_record(record: str | None) -> datetime | None:
    """The moment that ``time_to_record`` wrote."""
    return datetime.fromisoformat(record) if record else None


def _reservation_to_record(reservation: Reservation | None) -> dict[str, Any] | None:
    return {"token": reservation.token, "phone": reservation.phone} if reservation else None


def _reservation_from_record(record: Mapping[str, Any] | None) -> Reservation | None:
    return Reservation(token=record["token"], phone=record["phone"]) if record else None


def _intention_to_record(intention: OtpIntention | None) -> dict[str, Any] | None:
    if intention is None:
        return None
    return {
        "id": intention.id,
        "purpose": intention.purpose.value,
        "reservation": _reservation_to_record(intention.reservation),
        "lease_until": time_to_record(intention.lease_until),
        "since": intention.since.isoformat(),
        "attempt": intention.attempt,
        **({"trace_id": intention.trace_id} if intention.trace_id else {}),
    }


def _intention_from_record(record: Mapping[str, Any] | None) -> OtpIntention | None:
    if record is None:
        return None
    reservation = record["reservation"]
    return OtpIntention(
        id=record["id"],
        purpose=OtpPurpose(record["purpose"]),
        reservation=Reservation(token=reservation["token"], phone=reservation["phone"]),
        lease_until=time_from_record(record["lease_until"]),
        since=datetime.fromisoformat(record["since"]),
        attempt=record["attempt"],
        trace_id=record.get("trace_id", ""),
    )


def _minute_to_record(minute: Minute | None) -> dict[str, Any] | None:
    if minute is None:
        return None
    return {"began_at": minute.began_at.isoformat(), "messages": minute.messages, "warned": minute.warned}


def _minute_from_record(record: Mapping[str, Any] | None) -> Minute | None:
    if record is None:
        return None
    return Minute(datetime.fromisoformat(record["began_at"]), record["messages"], record["warned"])


def _latest(remembered: list[RememberedReply]) -> tuple[RememberedReply, ...]:
    """The last of those that got a reply, and the last of those that got none, in the order in which they came."""
    room = {True: REMEMBERED_REPLIES, False: REMEMBERED_REPLIES}
    kept = []
    for known in reversed(remembered):
        is_silent = known.reply == ()
        if room[is_silent]:
            room[is_silent] -= 1
            kept.append(known)
    return tuple(reversed(kept))


def _remembered_to_record(known: RememberedReply) -> dict[str, Any]:
    record: dict[str, Any] = {"message_sid": known.message_sid, "at": known.at.isoformat()}
    if known.reply is not None:
        return record | {"reply": replies.to_record(known.reply), "language": known.language}
    return record | {"intention_id": known.intention_id, "lease_until": time_to_record(known.lease_until)}


def _remembered_from_record(record: Mapping[str, Any]) -> RememberedReply:
    reply = record.get("reply")
    return RememberedReply(
        message_sid=record["message_sid"],
        at=datetime.fromisoformat(record["at"]),
        reply=None if reply is None else replies.from_record(reply),
        language=record.get("language"),
        intention_id=record.get("intention_id"),
        lease_until=time_from_record(record.get("lease_until")),
    )
