"""A broadcast as an admin defines it: what is sent, to whom, and when."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.sectors import Sector
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.fields import Fields, InvalidFieldError
from onboarding_bot.time_zone import INDIA

MESSAGE_MAX = 1600  # Twilio refuses longer ones (21617)
SCHEDULED_AHEAD = timedelta(days=365)
# What the id of a broadcast looks like: twelve digits for the time of its creation in ms, and twelve random ones.
BROADCAST_ID = re.compile(r"[0-9a-f]{24}")
_CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}")
_PINCODE_PREFIX = re.compile(r"[1-9][0-9]{0,5}")
FIELDS = (
    "message",
    "content_sid",
    "content_variables",
    "purpose",
    "target_step",
    "language",
    "sector",
    "pincode_prefix",
    "include_completed",
    "schedule_at",
    "dry_run",
)


class Purpose(StrEnum):
    """Why a message goes out: about the person's own sign-up, or to advertise."""

    SERVICE = "service"
    MARKETING = "marketing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One broadcast. Either ``message`` (free text) or ``content_sid`` (an approved template) is set."""

    message: str | None = None
    content_sid: str | None = None
    content_variables: Mapping[str, str] = field(default_factory=dict)
    purpose: Purpose = Purpose.SERVICE
    target_step: OnboardingStep | None = None
    language: str | None = None
    sector: str | None = None
    pincode_prefix: str | None = None
    include_completed: bool = True
    schedule_at: datetime | None = None

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
        return cls(
            **record
            | {
                "purpose": Purpose(record["purpose"]),
                "target_step": OnboardingStep(record["target_step"]) if record["target_step"] else None,
                "schedule_at": datetime.fromisoformat(record["schedule_at"]) if record["schedule_at"] else None,
            }
        )


def parse_definition(fields: Fields, languages: Collection[str]) -> tuple[Definition, bool]:
    """The definition in a request's fields, and whether it is only a dry run.

    Raises InvalidFieldError for the first fault.
    """
    message, content_sid = fields.text("message"), fields.text("content_sid")
    if (message is None) == (content_sid is None):
        raise InvalidFieldError("message", "send either message or content_sid, and not both")
    if message is not None and not 1 <= len(message.strip()) <= len(message) <= MESSAGE_MAX:
        raise InvalidFieldError("message", f"must have 1 to {MESSAGE_MAX} characters")
    if content_sid is not None and not _CONTENT_SID.fullmatch(content_sid):
        raise InvalidFieldError("content_sid", "must look like HX and 32 hexadecimal digits")
    variables = fields.texts("content_variables")
    if variables and content_sid is None:
        raise InvalidFieldError("content_variables", "go with content_sid only")
    definition = Definition(
        message=message,
        content_sid=content_sid,
        content_variables=variables,
        purpose=fields.choice("purpose", Purpose) or Purpose.SERVICE,
        target_step=fields.choice("target_step", OnboardingStep),
        language=fields.member("language", languages),
        sector=fields.member("sector", [sector.value for sector in Sector]),
        pincode_prefix=_pincode_prefix(fields),
        include_completed=fields.flag("include_completed", default=True),
        schedule_at=_moment(fields),
    )
    return definition, fields.flag("dry_run", default=False)


def _pincode_prefix(fields: Fields) -> str | None:
    value = fields.text("pincode_prefix")
    if value is not None and not _PINCODE_PREFIX.fullmatch(value):
        raise InvalidFieldError("pincode_prefix", "must be 1 to 6 digits, the first not 0")
    return value


def _moment(fields: Fields) -> datetime | None:
    text = fields.text("schedule_at")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        for zone in (UTC, INDIA):  # the first and the last day there is exist in some time zones only
            moment.astimezone(zone)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidFieldError("schedule_at", "must be ISO 8601 with an offset, like 2026-12-01T10:00:00+05:30")
    return moment
