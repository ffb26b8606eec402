"""The Content API's templates: kept, judged by Meta after a while, and filled in when they are sent."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from simulator.clock import Clock, iso
from simulator.database import Database
from simulator.faults import FaultSwitch, TemplateCategory
from simulator.messages import new_sid
from simulator.twilio_errors import TwilioError

_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_AT_AN_END = re.compile(r"\A\s*\{\{.*?\}\}|\{\{[^{}]*\}\}\s*\Z", re.DOTALL)
_SIDE_BY_SIDE = re.compile(r"\}\}\s*\{\{")
_REJECTED_NAME = "reject"
_BODY_MAX_LENGTH = 1024
_TEXT_FIELDS = ("body", "title", "header_text", "subtitle")


class ApprovalStatus(StrEnum):
    UNSUBMITTED = "unsubmitted"
    RECEIVED = "received"
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Button:
    """A quick reply under a message: what it says, and what the bot gets when it is tapped."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class TemplateDraft:
    """What a template is made of."""

    friendly_name: str
    language: str
    variables: dict[str, str]
    types: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Template:
    """A template as Twilio keeps it; ``name``, ``category`` and ``submitted_at`` are set when it went to Meta."""

    sid: str
    draft: TemplateDraft
    created_at: str
    updated_at: str
    name: str | None
    category: str | None
    submitted_at: str | None

    @property
    def content_type(self) -> str:
        return next(iter(self.draft.types))

    @property
    def body(self) -> str:
        """The words of its richest type."""
        content = self.draft.types[self.content_type]
        return next((str(content[name]) for name in _TEXT_FIELDS if content.get(name)), "")


@dataclass(frozen=True, slots=True)
class Approval:
    """What Meta thinks of a template."""

    status: ApprovalStatus
    category: str
    rejection_reason: str


@dataclass(frozen=True, slots=True)
class FilledTemplate:
    """A template with its variables put in, as the phone shows it."""

    text: str
    buttons: tuple[Button, ...]


class ContentStore:
    """Keeps the templates; what Meta says follows from the time since they were submitted."""

    def __init__(self, database: Database, faults: FaultSwitch, clock: Clock) -> None:
        self._database = database
        self._faults = faults
        self._clock = clock

    def create(self, draft: TemplateDraft) -> Template:
        now = iso(self._clock())
        template = Template(new_sid("HX"), draft, now, now, None, None, None)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO templates (sid, friendly_name, language, variables, types, created_at, updated_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (template.sid, *_columns(draft), now, now),
            )
        return template

    def update(self, sid: str, draft: TemplateDraft) -> None:
        """What has been changed, Meta has not seen: it has to be submitted again."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE templates SET friendly_name = ?, language = ?, variables = ?, types = ?, updated_at = ?,"
                " name = NULL, category = NULL, submitted_at = NULL WHERE sid = ?",
                (*_columns(draft), iso(self._clock()), sid),
            )

    def get(self, sid: str) -> Template | None:
        row = self._database.row("SELECT * FROM templates WHERE sid = ?", sid)
        return _template(row) if row else None

    def page(self, offset: int, size: int) -> list[Template]:
        """The latest first."""
        query = "SELECT * FROM templates ORDER BY created_at DESC, sid LIMIT ? OFFSET ?"
        return [_template(row) for row in self._database.rows(query, size, offset)]

    def delete(self, sid: str) -> bool:
        """Whether there was such a template; there is none now."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM templates WHERE sid = ?", (sid,)).rowcount > 0

    def submit(self, sid: str, name: str, category: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE templates SET name = ?, category = ?, submitted_at = ? WHERE sid = ?",
                (name, category, iso(self._clock()), sid),
            )

    def approval(self, template: Template) -> Approval:
        """Received, halfway pending, and at last approved, or rejected for its name or its form."""
        submitted, category = template.submitted_at, template.category or ""
        if submitted is None:
            return Approval(ApprovalStatus.UNSUBMITTED, "", "")
        wait = self._faults.now.template_approval_seconds
        waited = (self._clock() - datetime.fromisoformat(submitted)).total_seconds()
        if waited < wait:
            status = ApprovalStatus.RECEIVED if waited < wait / 2 else ApprovalStatus.PENDING
            return Approval(status, category, "")
        if reason := _why_rejected(template):
            return Approval(ApprovalStatus.REJECTED, category, reason)
        if self._faults.now.template_category is TemplateCategory.MARKETING:
            category = "MARKETING"
        return Approval(ApprovalStatus.APPROVED, category, "")


def fill(template: Template, variables: Mapping[str, str]) -> FilledTemplate:
    """Raises TwilioError when a variable has no value, or the text gets longer than WhatsApp takes."""
    text = _filled(template.body, variables)
    if len(text) > _BODY_MAX_LENGTH:
        raise TwilioError(63021, f"The template's text has more than {_BODY_MAX_LENGTH} characters")
    actions = template.draft.types[template.content_type].get("actions", [])
    titled = [action for action in actions if action.get("title")]
    buttons = [
        Button(_filled(str(action.get("id", action["title"])), variables), _filled(action["title"], variables))
        for action in titled
    ]
    return FilledTemplate(text, tuple(buttons))


def _filled(text: str, variables: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if not variables.get(found[1]):
            raise TwilioError(21656, f"The ContentVariables parameter is invalid: variable {found[1]} has no value")
        return variables[found[1]]

    return _VARIABLE.sub(value, text)


def _why_rejected(template: Template) -> str:
    if _REJECTED_NAME in (template.name or ""):
        return "INCORRECT_CATEGORY"
    if _AT_AN_END.search(template.body) or _SIDE_BY_SIDE.search(template.body):
        return "INVALID_FORMAT"
    return ""


def _columns(draft: TemplateDraft) -> tuple[str, str, str, str]:
    return draft.friendly_name, draft.language, json.dumps(draft.variables), json.dumps(draft.types)


def _template(row: sqlite3.Row) -> Template:
    draft = TemplateDraft(row["friendly_name"], row["language"], json.loads(row["variables"]), json.loads(row["types"]))
    return Template(
        row["sid"], draft, row["created_at"], row["updated_at"], row["name"], row["category"], row["submitted_at"]
    )
