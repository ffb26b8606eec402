"""The session: a person's step in the sign-up, the answers so far, the OTP request, and the replies of late."""

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
# Twilio repeats a webhook within 15 s; a phone or a proxy may deliver a copy minutes later.
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
    """What an OTP is for: the end of the sign-up, or a later login."""

    SIGN_UP = "sign_up"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Reservation:
    """One entry in the per-phone daily OTP limit; the same ``token`` again is the same entry."""

    token: str
    phone: str


@dataclass(frozen=True, slots=True)
class OtpIntention:
    """The intention to send one OTP, from the YES or LOGIN until the outcome of the request is known.

    ``id`` is the auth API's idempotency key. Until ``lease_until`` one process works on the request; afterwards, or
    when that is None, the next YES claims the intention. ``attempt`` counts the calls that may have sent an SMS,
    ``since`` is when the person asked, ``trace_id`` the trace of the turn that claimed it last.
    """

    id: str
    purpose: OtpPurpose
    reservation: Reservation
    lease_until: datetime | None
    since: datetime
    attempt: int = 1
    trace_id: str = ""

    def in_flight(self, now: datetime) -> bool:
        """Whether a process holds the lease."""
        return self.lease_until is not None and now < self.lease_until


@dataclass(frozen=True, slots=True)
class RememberedReply:
    """The reply to one message, and its language.

    While ``reply`` is None the message's OTP request is still running, until ``lease_until``.
    """

    message_sid: str
    at: datetime
    reply: Reply | None
    language: str | None = None
    intention_id: str | None = None
    lease_until: datetime | None = None

    def is_running(self, now: datetime) -> bool:
        """Whether a process, this or another one, still works on the OTP request of this message."""
        return self.reply is None and self.lease_until is not None and now < self.lease_until


# The changes that discard the answers of a sign-up, and all that belongs to them.
WITHOUT_ANSWERS: Mapping[str, Any] = {
    "data": {},
    "choosing": False,
    "changing": False,
    "wrong_answers": 0,
    "voice_notes": 0,
    "intention": None,
    "spare_reservation": None,
    "handoff_id": None,
    "doubtful_name": None,
    "confirmed_name": None,
}


@dataclass(frozen=True, slots=True)
class RateLimitWindow:
    """The window of the rate limit: when it began, how many messages it has, and whether a reply asked to wait."""

    began_at: datetime
    messages: int = 1
    warned: bool = False


@dataclass(frozen=True, slots=True)
class UserSession:
    """The session, which lives for 24 hours after the last message; times are UTC.

    ``choosing`` is set while the person chooses which answer to change, ``changing`` while they give the new one.
    ``entered_at`` is when the session entered its step; None when an older release wrote it. ``doubtful_name`` is the
    text of the pending question "Is … your name?", ``confirmed_name`` the text that got a yes. ``remembered`` begins
    with the oldest reply. ``reminders_sent`` is stored as ``nudges``, and ``rate_limit_window`` as ``minute``.
    """

    current_step: OnboardingStep
    created_at: datetime
    updated_at: datetime
    data: Mapping[str, str] = field(default_factory=dict)
    choosing: bool = False
    changing: bool = False
    wrong_answers: int = 0
    voice_notes: int = 0
    reminders_sent: int = 0
    intention: OtpIntention | None = None
    spare_reservation: Reservation | None = None
    handoff_id: str | None = None
    rate_limit_window: RateLimitWindow | None = None
    remembered: tuple[RememberedReply, ...] = ()
    entered_at: datetime | None = None
    doubtful_name: str | None = None
    confirmed_name: str | None = None

    @classmethod
    def start(cls, step: OnboardingStep, now: datetime, data: Mapping[str, str] | None = None) -> Self:
        """A new session in ``step``."""
        return cls(
            current_step=step,
            created_at=now,
            updated_at=now,
            data=data or {},
            rate_limit_window=RateLimitWindow(now),
            entered_at=now,
        )

    def recall(self, message_sid: str) -> RememberedReply | None:
        """What is remembered of this message; None when it is new."""
        return next((known for known in self.remembered if known.message_sid == message_sid), None)

    def remember(self, known: RememberedReply) -> Self:
        """This session with one more remembered reply, which replaces an older one to the same message.

        Messages without a reply never push out one with a reply.
        """
        kept = [
            other
            for other in self.remembered
            if other.message_sid != known.message_sid and known.at - other.at < REMEMBERED_FOR
        ]
        return replace(self, remembered=_latest([*kept, known]))

    def remember_all(self, known: Iterable[RememberedReply]) -> Self:
        """This session with these remembered replies, the oldest first."""
        return replace(self, remembered=_latest(list(known)))

    def to_record(self) -> dict[str, Any]:
        """The session as a JSON object."""
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
            "nudges": self.reminders_sent,
            "intention": _intention_to_record(self.intention),
            "spare_reservation": _reservation_to_record(self.spare_reservation),
            "handoff_id": self.handoff_id,
            "minute": _window_to_record(self.rate_limit_window),
            "remembered": [_remembered_to_record(known) for known in self.remembered],
            "entered_at": time_to_record(self.entered_at),
            "doubtful_name": self.doubtful_name,
            "confirmed_name": self.confirmed_name,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The session that any release wrote; a field that a release did not know takes its default.

        Raises KeyError, TypeError or ValueError when ``record`` is no session.
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
                reminders_sent=record.get("nudges", 0),
                intention=_intention_from_record(record.get("intention")),
                spare_reservation=_reservation_from_record(record.get("spare_reservation")),
                handoff_id=record.get("handoff_id"),
                rate_limit_window=_window_from_record(record.get("minute")),
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


def _window_to_record(window: RateLimitWindow | None) -> dict[str, Any] | None:
    if window is None:
        return None
    return {"began_at": window.began_at.isoformat(), "messages": window.messages, "warned": window.warned}


def _window_from_record(record: Mapping[str, Any] | None) -> RateLimitWindow | None:
    if record is None:
        return None
    return RateLimitWindow(datetime.fromisoformat(record["began_at"]), record["messages"], record["warned"])


def _latest(remembered: list[RememberedReply]) -> tuple[RememberedReply, ...]:
    """The latest messages with a reply, and the latest without one, the oldest first."""
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
