"""A broadcast as an admin defines it: what is sent, to whom, and when."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self

from msgspec import Meta, Struct
from msgspec.structs import replace

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.sectors import Sector
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.fields import FILLED, REFUSAL, FieldReader, FilledText, InvalidFieldError, Text

# What the id of a broadcast looks like: twelve digits for the time of its creation in ms, and twelve random ones.
BROADCAST_ID = re.compile(r"[0-9a-f]{24}")
MESSAGE_MAX = 1600  # Twilio refuses longer ones (21617)
SCHEDULED_AHEAD = timedelta(days=365)


class Purpose(StrEnum):
    """Why a message goes out: about the person's own sign-up, or to advertise."""

    SERVICE = "service"
    MARKETING = "marketing"


class Definition(Struct, frozen=True, kw_only=True):
    """One broadcast. Either ``message`` (free text) or ``content_sid`` (an approved template) is set."""

    message: (
        Annotated[
            str,
            Meta(
                description="A free text. It reaches only people who wrote within the last 24 hours.",
                examples=["Our help desk is open on Sunday too."],
                pattern=FILLED,
                min_length=1,
                max_length=MESSAGE_MAX,
            ),
        ]
        | None
    ) = None
    content_sid: (
        Annotated[
            str,
            Meta(
                description="The id of an approved template, which reaches everybody who said yes.",
                examples=["HX0123456789abcdef0123456789abcdef"],
                pattern="^HX[0-9a-fA-F]{32}$",
                extra={REFUSAL: "must look like HX and 32 hexadecimal digits"},
            ),
        ]
        | None
    ) = None
    content_variables: Annotated[
        Mapping[FilledText, FilledText],
        Meta(description="The values of the template's variables, by their names.", examples=[{"1": "Asha"}]),
    ] = {}
    purpose: Annotated[Purpose, Meta(description="What the messages are about.", examples=["service"])] = (
        Purpose.SERVICE
    )
    target_step: (
        Annotated[OnboardingStep, Meta(description="Only people who are in this step.", examples=["phone"])] | None
    ) = None
    language: Annotated[Text, Meta(description="Only people who use this language.", examples=["hi"])] | None = None
    sector: Annotated[Sector, Meta(description="Only people of this sector.", examples=["Retail"])] | None = None
    pincode_prefix: (
        Annotated[
            str,
            Meta(
                description="Only people whose pincode begins with these digits.",
                examples=["56"],
                pattern="^[1-9][0-9]{0,5}$",
                extra={REFUSAL: "must be 1 to 6 digits, the first not 0"},
            ),
        ]
        | None
    ) = None
    include_completed: Annotated[bool, Meta(description="Whether people who have signed up get it too.")] = True
    schedule_at: (
        Annotated[
            datetime,
            Meta(
                tz=True,
                description="When it begins, ISO 8601 with an offset: in the future, and at most a year ahead.",
                examples=["2026-12-01T10:00:00+05:30"],
            ),
        ]
        | None
    ) = None

    @property
    def is_template(self) -> bool:
        """Whether it may go to people outside the 24-hour window."""
        return self.content_sid is not None

    @property
    def looks_into_contacts(self) -> bool:
        """Whether the audience depends on contact records, and not on an index alone."""
        return bool(self.language or self.sector or self.pincode_prefix or not self.include_completed)

    def reaches(self, contact: Contact, default_language: str) -> bool:
        """Whether this person is in the audience, as far as the answers and the language go."""
        answers = contact.registration or (contact.draft.data if contact.draft else {})
        return (
            (self.include_completed or contact.completed_at is None)
            and (self.language is None or (contact.language or default_language) == self.language)
            and (self.sector is None or answers.get("sector") == self.sector)
            and (self.pincode_prefix is None or answers.get("pincode", "").startswith(self.pincode_prefix))
        )

    def is_overdue(self, now: datetime) -> bool:
        """Whether it should have begun already."""
        return self.schedule_at is not None and self.schedule_at <= now

    def check_schedule(self, now: datetime) -> None:
        """Raises InvalidFieldError for one that should have begun already, or is more than a year ahead."""
        if self.is_overdue(now):
            raise InvalidFieldError("schedule_at", "is in the past")
        if self.schedule_at and self.schedule_at > now + SCHEDULED_AHEAD:
            raise InvalidFieldError("schedule_at", "must be within a year from now")

    def in_utc(self) -> Self:
        """The same broadcast with its moment in UTC, so that equal moments give equal texts."""
        return replace(self, schedule_at=self.schedule_at.astimezone(UTC)) if self.schedule_at else self

    def to_json(self) -> str:
        """The definition for the store; equal definitions give equal texts."""
        record = {
            "message": self.message,
            "content_sid": self.content_sid,
            "content_variables": dict(self.content_variables),
            "purpose": self.purpose.value,
            "target_step": self.target_step.value if self.target_step else None,
            "language": self.language,
            "sector": self.sector,
            "pincode_prefix": self.pincode_prefix,
            "include_completed": self.include_completed,
            "schedule_at": self.schedule_at.isoformat() if self.schedule_at else None,
        }
        return json.dumps(record, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The definition that ``to_json`` wrote."""
        record = json.loads(text)
        # A sector or a language that only another release knows stays as it is, and fits nobody here.
        return cls(
            **record
            | {
                "purpose": Purpose(record["purpose"]),
                "target_step": OnboardingStep(record["target_step"]) if record["target_step"] else None,
                "schedule_at": datetime.fromisoformat(record["schedule_at"]) if record["schedule_at"] else None,
            }
        )


class BroadcastRequest(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What POST /send-broadcast takes: either a message, or the content_sid of a template with its variables."""

    dry_run: Annotated[bool, Meta(description="Count the recipients, and send nothing.")] = False

    @property
    def definition(self) -> Definition:
        """The broadcast itself."""
        return Definition(**{name: getattr(self, name) for name in Definition.__struct_fields__})


# The rules between the fields of a BroadcastRequest, as ``parse_request`` enforces them, in JSON Schema.
RULES_OF_REQUEST: Mapping[str, Any] = {
    "oneOf": [
        {"required": ["message"], "properties": {"content_sid": False, "content_variables": {"maxProperties": 0}}},
        {"required": ["content_sid"], "properties": {"message": False}},
    ]
}


def parse_request(given: Mapping[str, Any], languages: Collection[str]) -> BroadcastRequest:
    """The broadcast that a request asks for. Raises InvalidFieldError for the first fault."""
    fields = FieldReader(BroadcastRequest, given, {"language": languages})
    for name in ("message", "content_sid"):
        fields.check_type(name)
    if fields.has("message") == fields.has("content_sid"):
        raise InvalidFieldError("message", "send either message or content_sid, and not both")
    for name in ("message", "content_sid"):
        fields.value(name)
    if fields.value("content_variables") and not fields.has("content_sid"):
        raise InvalidFieldError("content_variables", "go with content_sid only")
    return fields.record()
