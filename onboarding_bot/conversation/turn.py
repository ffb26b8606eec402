"""The shapes that go into the engine and come out of it: messages, turns, effects and their outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.reply import Link, Reply
from onboarding_bot.conversation.session import OnboardingStep, Reservation, UserSession


class MessageKind(StrEnum):
    """What kind of thing the person sent, as far as the conversation cares."""

    TEXT = "text"
    VOICE = "voice"
    IMAGE = "image"
    VIDEO = "video"
    DOCUMENT = "document"
    STICKER = "sticker"
    LOCATION = "location"
    CONTACT_CARD = "contact_card"
    UNKNOWN = "unknown"


class OptOutType(StrEnum):
    """A word that Twilio's Advanced Opt-Out has answered already."""

    STOP = "STOP"
    START = "START"
    HELP = "HELP"


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message of one person. ``sender`` is Twilio's ``From``, whatever it looks like, and the address of the reply.

    ``user_ids`` are the ids that came along, as addresses; ``person_id`` is the person that all of them lead to, once
    that is known.

    Of a button or a list's row, ``text`` is the id that it was sent with, and ``shown`` the words that the person saw
    on it; the engine knows which of them counts. With ``opt_out`` Twilio has replied itself: the word is recorded, and
    not answered a second time. ``trace_id`` is kept with what the message leaves to be done later.
    """

    sid: str
    sender: str
    text: str = ""
    kind: MessageKind = MessageKind.TEXT
    opt_out: OptOutType | None = None
    trace_id: str = ""
    shown: str = ""
    user_ids: tuple[str, ...] = ()
    person_id: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that leads to the person, each of them once."""
        return tuple(dict.fromkeys((self.sender, *self.user_ids)))


@dataclass(frozen=True, slots=True)
class RequestOtp:
    """The effect: have the auth API send an OTP, with ``intention_id`` as the idempotency key."""

    intention_id: str
    message_sid: str
    reservation: Reservation
    data: Mapping[str, str]
    requested_at: datetime


class OtpResult(StrEnum):
    """How asking for an OTP ended."""

    SENT = "sent"
    NOT_SENT = "not_sent"
    AMBIGUOUS = "ambiguous"
    REFUSED = "refused"
    REFUSED_KNOWN_NUMBER = "refused_known_number"
    LIMITED = "limited"


@dataclass(frozen=True, slots=True)
class OtpOutcome:
    """The end of an OTP request: the login link when it was sent, seconds to wait when a limit was in the way."""

    result: OtpResult
    login_link: Link | None = None
    wait_seconds: int = 0


class TurnResult(StrEnum):
    """What became of a message, for the counters."""

    GREETED = "greeted"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    COMMAND = "command"
    NO_TEXT = "no_text"
    OTP_IN_CHAT = "otp_in_chat"
    TOO_FAST = "too_fast"
    EFFECT = "effect"
    OUTCOME = "outcome"
    LATE_OUTCOME = "late_outcome"
    NUDGE = "nudge"
    CAUGHT_UP = "caught_up"


class Milestone(StrEnum):
    """What a turn reached that is counted over all people."""

    STARTED = "started"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one message changes. With an ``effect`` the reply comes later, from ``resume``.

    ``fault`` is the code of the reason why an answer was refused, ``otp_result`` how asking for an OTP ended.
    One that ``erases`` leaves nothing of the person: neither its session nor its contact is written.
    """

    step: OnboardingStep
    session: UserSession
    contact: Contact
    reply: Reply
    result: TurnResult
    effect: RequestOtp | None = None
    milestones: frozenset[Milestone] = field(default_factory=frozenset)
    fault: str | None = None
    otp_result: OtpResult | None = None
    erases: bool = False
