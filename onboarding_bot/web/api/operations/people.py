"""The operations on people's data: look a person up, erase one, and record a consent."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, TypedDict

from msgspec import Meta, Struct

from onboarding_bot.admin_keys import Role
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.fields import FILLED, REFUSAL, FieldReader, Text
from onboarding_bot.outbound.broadcast_definition import Purpose
from onboarding_bot.web.api.operations import problem_kinds
from onboarding_bot.web.api.operations.operation import Answer, Link, Moment, Operation, Timestamp

TAG = "people"
NOTE_MAX = 200
ADDRESS_FORMAT = "whatsapp-address"

Address = Annotated[
    Text,
    Meta(
        description="The person's address as Twilio has it, a number with its country, or an Indian mobile number in "
        "any form that the chat reads. It stands in the body, so that no log on the way keeps it.",
        examples=["whatsapp:+919876543210"],
        extra_json_schema={"format": ADDRESS_FORMAT},
    ),
]
PersonId = Annotated[str, Meta(description="How the log names the person: a keyed hash.", pattern="^[0-9a-f]{32}$")]
Answers = Annotated[dict[str, str], Meta(description="The answers of the sign-up, by their fields.")]


class PersonRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a call is about."""

    address: Address


class ConsentRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A yes or a no that was given elsewhere: at a fair, or by phone."""

    address: Address
    purpose: Annotated[
        Purpose,
        Meta(
            description="`service` for messages about the person's own sign-up, `marketing` for news.",
            examples=["marketing"],
        ),
    ]
    given: Annotated[bool, Meta(description="Whether it is a yes.", examples=[True])]
    note: (
        Annotated[
            str,
            Meta(
                description="Where it was said.",
                examples=["form 12, Surat fair"],
                pattern=FILLED,
                min_length=1,
                max_length=NOTE_MAX,
                extra={REFUSAL: f"must have 1 to {NOTE_MAX} characters, where there is one"},
            ),
        ]
        | None
    ) = None


def parse_consent(given: Mapping[str, Any]) -> ConsentRequest:
    """The consent in a request. Of several faults, one of the consent is named before one of the address.

    Raises InvalidFieldError.
    """
    fields = FieldReader(ConsentRequest, given)
    if fields.has("purpose"):
        fields.value("purpose")
    fields.value("given")
    fields.check_type("note")
    for name in ("purpose", "note", "address"):
        fields.value(name)
    return fields.record()


class RecordedConsent(TypedDict):
    """A yes: when, by which message or admin, and to which wording."""

    at: Moment
    source: str
    wording: str


class RecordedNo(TypedDict):
    """A no: when, and by which message or admin."""

    at: Moment
    source: str


class UnfinishedAnswers(TypedDict):
    """The answers of a sign-up that is not finished."""

    answers: Answers
    saved_at: Moment


class Registration(TypedDict):
    """A sign-up that is finished."""

    answers: Answers
    completed_at: Moment


class KeptUntil(TypedDict):
    """When what is kept expires; null for what is not kept."""

    session: Moment | None
    contact: Moment | None


class ConsentState(TypedDict):
    """What a person has said yes and no to."""

    person: PersonId
    consents: Annotated[dict[str, RecordedConsent], Meta(description="The yeses, by purpose.")]
    news_ended: Annotated[RecordedNo | None, Meta(description="A no to news alone.")]
    opt_out: Annotated[RecordedNo | None, Meta(description="A no to all messages beyond the chat.")]
    timestamp: Timestamp


class PersonDetails(ConsentState):
    """All that is kept of a person."""

    known: Annotated[bool, Meta(description="False where nothing is kept but, perhaps, an opt-out.")]
    address: str | None
    language: Annotated[str | None, Meta(description="The language that the person chose.")]
    step: Annotated[OnboardingStep | None, Meta(description="The step of the session of the last 24 hours.")]
    answers: Answers
    unfinished: UnfinishedAnswers | None
    registration: Registration | None
    notice_version: Annotated[str | None, Meta(description="The version of the notice that was shown.")]
    otp_requests: Annotated[list[Moment], Meta(description="When OTPs were asked for in the last 24 hours.")]
    first_inbound_at: Moment | None
    last_inbound_at: Moment | None
    kept_until: KeptUntil


class Erasure(TypedDict):
    """What was erased."""

    person: PersonId
    erased: Annotated[bool, Meta(description="False where nothing was known of the address.")]
    was_known: Annotated[bool, Meta(description="The same.")]
    timestamp: Timestamp


_CONSENTS = {
    "service": {
        "at": "2026-11-22T20:29:17.330027+00:00",
        "source": "SM00000000000000000000000000000002",
        "wording": "2026-11.3",
    }
}
_STATE = {
    "consents": _CONSENTS,
    "news_ended": None,
    "opt_out": None,
    "person": "ae7ed28ac5bf85380d2601f7b15312c9",
    "timestamp": "2026-11-22T20:29:17.340452+00:00",
}
_ADDRESS_EXAMPLE = {"address": "whatsapp:+919876543210"}
SAME_BODY = "$request.body"

LOOK_UP = Operation(
    id="lookUpPerson",
    method="POST",
    path="/people/lookup",
    tag=TAG,
    summary="Show all that is kept of a person",
    description="200 for everybody; `known` is false where nothing is kept but, perhaps, an opt-out.",
    guard=Role.DATA,
    audit="people.lookup",
    needs_audit_line=True,
    body=PersonRequest,
    body_examples={"person": _ADDRESS_EXAMPLE},
    answers={
        HTTPStatus.OK: Answer(
            description="What is kept.",
            schema=PersonDetails,
            example=_STATE
            | {
                "address": "whatsapp:+919876543210",
                "answers": {"name": "Asha Devi", "sector": "Agriculture"},
                "first_inbound_at": "2026-11-22T20:29:17.321044+00:00",
                "kept_until": {
                    "contact": "2027-05-21T20:29:17.333440+00:00",
                    "session": "2026-11-23T20:29:17.333440+00:00",
                },
                "known": True,
                "language": None,
                "last_inbound_at": "2026-11-22T20:29:17.333440+00:00",
                "notice_version": "2026-11.3",
                "otp_requests": [],
                "registration": None,
                "step": "pincode",
                "unfinished": {
                    "answers": {"name": "Asha Devi", "sector": "Agriculture"},
                    "saved_at": "2026-11-22T20:29:17.333440+00:00",
                },
            },
            links=(Link("erasePerson", body=SAME_BODY),),
        )
    },
)

ERASE = Operation(
    id="erasePerson",
    method="POST",
    path="/people/erase",
    tag=TAG,
    summary="Erase a person, at Twilio too",
    description="It does at once what DELETE MY DATA does, and asks for no yes: make sure who is asking. Afterwards "
    "the address has an opt-out. `erased` is false where nothing was known of the address: look at the number again.",
    guard=Role.DATA,
    audit="people.erase",
    needs_audit_line=True,
    body=PersonRequest,
    body_examples={"person": {"address": "+91 98765 43210"}},
    answers={
        HTTPStatus.OK: Answer(
            description="It is done.",
            schema=Erasure,
            example={
                "erased": True,
                "person": "ae7ed28ac5bf85380d2601f7b15312c9",
                "timestamp": "2026-11-22T20:29:17.345599+00:00",
                "was_known": True,
            },
            links=(Link("lookUpPerson", body=SAME_BODY),),
        )
    },
)

RECORD_CONSENT = Operation(
    id="recordConsent",
    method="POST",
    path="/people/consent",
    tag=TAG,
    summary="Record a yes or a no that was given elsewhere",
    description="A no that leaves no yes is an opt-out. An opt-out that an admin recorded ends with a yes; one of the "
    "person's own does not.",
    guard=Role.DATA,
    audit="people.consent",
    needs_audit_line=True,
    body=ConsentRequest,
    body_examples={
        "yes": _ADDRESS_EXAMPLE | {"purpose": "marketing", "given": True, "note": "form 12, Surat fair"},
        "no": _ADDRESS_EXAMPLE | {"purpose": "service", "given": False},
    },
    answers={
        HTTPStatus.OK: Answer(
            description="What the person has said yes and no to.",
            schema=ConsentState,
            example=_STATE,
        )
    },
    problems=(problem_kinds.UNKNOWN_PERSON, problem_kinds.OPTED_OUT),
)

OPERATIONS = (LOOK_UP, ERASE, RECORD_CONSENT)
