"""What goes into the engine and comes out of it: messages, turns, effects and their outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.reply import Reply, Url
from onboarding_bot.conversation.session import OnboardingStep, Reservation, UserSession


class MessageKind(StrEnum):
    """The kind of a message, as far as the rules tell kinds apart."""

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
    """A keyword that Twilio's Advanced Opt-Out has answered already (``OptOutType`` of the webhook)."""

    STOP = "STOP"
    START = "START"
    HELP = "HELP"


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One inbound message. ``sender`` is Twilio's ``From``, letter for letter, and the address of the reply.

    ``user_ids`` are the user ids of the webhook, as addresses; ``person_id`` is the person that all addresses lead to,
    once the storage has found it.

    Of a tapped button or a list's row, ``text`` is its id (``ButtonPayload``, ``ListId``) and ``button_text`` the words
    on it (``ButtonText``, ``ListTitle``). With ``opt_out`` Twilio has replied itself: the engine records the keyword,
    and replies nothing. ``trace_id`` is stored with an OTP request that the message leaves open.
    """

    sid: str
    sender: str
    text: str = ""
    kind: MessageKind = MessageKind.TEXT
    opt_out: OptOutType | None = None
    trace_id: str = ""
    button_text: str = ""
    user_ids: tuple[str, ...] = ()
    person_id: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses of the sender, ``From`` first, each once."""
        return tuple(dict.fromkeys((self.sender, *self.user_ids)))


@dataclass(frozen=True, slots=True)
class RequestOtp:
    """The effect of a turn: request an OTP from the auth API, with ``intention_id`` as the idempotency key."""

    intention_id: str
    message_sid: str
    reservation: Reservation
    data: Mapping[str, str]


class OtpResult(StrEnum):
    """How an OTP request ended."""

    SENT = "sent"
    NOT_SENT = "not_sent"
    AMBIGUOUS = "ambiguous"
    REFUSED = "refused"
    REFUSED_KNOWN_NUMBER = "refused_known_number"
    LIMITED = "limited"


@dataclass(frozen=True, slots=True)
class OtpOutcome:
    """The outcome of an OTP request: a login link with ``SENT``, the seconds to wait with ``LIMITED``."""

    result: OtpResult
    login_link: Url | None = None
    wait_seconds: int = 0


class TurnResult(StrEnum):
    """The result of a turn, for counters, metrics and the log."""

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
    REMINDER = "nudge"
    CAUGHT_UP = "caught_up"


class Milestone(StrEnum):
    """A milestone of the sign-up that counters count over all people."""

    STARTED = "started"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one message changes: the session and contact to store, and the reply.

    ``step`` is the step that the message found. With an ``effect`` the reply comes later, from ``Engine.resume``.
    ``fault`` is the code of the text that says why an answer was refused, ``otp_result`` how an OTP request ended.
    A turn that ``erases`` stores neither session nor contact: the person is erased.
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
