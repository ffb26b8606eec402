"""A broadcast as an admin defines it: what is sent, to whom, and when."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self, TypeVar

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.sectors import Sector
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.rest_hours import INDIA

MESSAGE_MAX = 1600  # Twilio refuses longer ones (21617)
_Choice = TypeVar("_Choice", bound=StrEnum)
_CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_NAME_SHOWN = 64
_PINCODE_PREFIX = re.compile(r"[1-9][0-9]{0,5}")
_FIELDS = frozenset(
    {
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
    }
)


class Purpose(StrEnum):
    """Why a message goes out: about the person's own sign-up, or to advertise."""

    SERVICE = "service"
    MARKETING = "marketing"


class InvalidDefinitionError(ValueError):
    """A definition that cannot be taken: which field, and what to do about it."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.detail = detail


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
        """Whether the audience depends on more than an index."""
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


def parse_definition(body: Any, languages: Collection[str]) -> tuple[Definition, bool]:
    """The definition in a request's JSON, and whether it is only a dry run.

    Raises InvalidDefinitionError for the first fault; ``body`` is whatever JSON the client sent.
    """
    if not isinstance(body, dict):
        raise InvalidDefinitionError("body", "must be a JSON object, sent with Content-Type: application/json")
    for name in body:
        if name not in _FIELDS:
            raise InvalidDefinitionError(_shown(name), f"is not known here; known are {', '.join(sorted(_FIELDS))}")
    given = {name: value for name, value in body.items() if value is not None}
    message, content_sid = _text(given, "message"), _text(given, "content_sid")
    if (message is None) == (content_sid is None):
        raise InvalidDefinitionError("message", "send either message or content_sid, and not both")
    if message is not None and not 1 <= len(message.strip()) <= len(message) <= MESSAGE_MAX:
        raise InvalidDefinitionError("message", f"must have 1 to {MESSAGE_MAX} characters")
    if content_sid is not None and not _CONTENT_SID.fullmatch(content_sid):
        raise InvalidDefinitionError("content_sid", "must look like HX and 32 hexadecimal digits")
    definition = Definition(
        message=message,
        content_sid=content_sid,
        content_variables=_variables(given, content_sid),
        purpose=_one_of(given, "purpose", Purpose, Purpose.SERVICE) or Purpose.SERVICE,
        target_step=_one_of(given, "target_step", OnboardingStep, None),
        language=_member(given, "language", languages),
        sector=_member(given, "sector", [sector.value for sector in Sector]),
        pincode_prefix=_pincode_prefix(given),
        include_completed=_flag(given, "include_completed", default=True),
        schedule_at=_moment(given),
    )
    return definition, _flag(given, "dry_run", default=False)


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not _is_text(value):
        raise InvalidDefinitionError(name, "must be a text")
    return value


def _is_text(value: Any) -> bool:
    """JSON can spell half of a character that is written as two; nobody could store or send it."""
    return isinstance(value, str) and not _HALF_CHARACTER.search(value)


def _shown(name: str) -> str:
    return _HALF_CHARACTER.sub("?", name)[:_NAME_SHOWN]


def _flag(given: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise InvalidDefinitionError(name, "must be true or false")
    return value


def _one_of(given: Mapping[str, Any], name: str, choices: type[_Choice], default: _Choice | None) -> _Choice | None:
    value = _member(given, name, [choice.value for choice in choices])
    return choices(value) if value is not None else default


def _member(given: Mapping[str, Any], name: str, allowed: Collection[str]) -> str | None:
    value = _text(given, name)
    if value is not None and value not in allowed:
        raise InvalidDefinitionError(name, f"must be one of {', '.join(allowed)}")
    return value


def _variables(given: Mapping[str, Any], content_sid: str | None) -> dict[str, str]:
    value = given.get("content_variables", {})
    if value and content_sid is None:
        raise InvalidDefinitionError("content_variables", "go with content_sid only")
    if not isinstance(value, dict) or not all(_is_text(text) and text for pair in value.items() for text in pair):
        raise InvalidDefinitionError("content_variables", "must be an object of texts, none of them empty")
    return dict(value)


def _pincode_prefix(given: Mapping[str, Any]) -> str | None:
    value = _text(given, "pincode_prefix")
    if value is not None and not _PINCODE_PREFIX.fullmatch(value):
        raise InvalidDefinitionError("pincode_prefix", "must be 1 to 6 digits, the first not 0")
    return value


def _moment(given: Mapping[str, Any]) -> datetime | None:
    text = _text(given, "schedule_at")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        for zone in (UTC, INDIA):  # the first and the last day there is exist in some time zones only
            moment.astimezone(zone)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidDefinitionError("schedule_at", "must be ISO 8601 with an offset, like 2026-12-01T10:00:00+05:30")
    return moment
