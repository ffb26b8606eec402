"""The form in which an admin writes a broadcast, and the JSON for POST /send-broadcast that it stands for."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from onboarding_bot.fields import InvalidFieldError
from onboarding_bot.outbound.broadcast_definition import Definition, parse_request
from onboarding_bot.services.twilio_content_api import Content
from onboarding_bot.web.dashboard.display_formats import words
from onboarding_bot.web.dashboard.whatsapp_markup import as_whatsapp

KEY_FIELD = "idempotency_key"
CONFIRMED_FIELD = "confirmed_count"
# The fields of the form that define the broadcast; they have the names of the JSON.
TYPED = (
    "kind",
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
)
TEXT, TEMPLATE = "text", "template"
CHECKBOX, TICKED = "include_completed", "yes"
_EMPTY = dict.fromkeys(TYPED, "") | {"kind": TEXT, "purpose": "service", CHECKBOX: TICKED}
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
_COUNT = re.compile(r"[0-9]{1,9}")
# People write to the bot all the time: an audience that grew by this share is still the one that was confirmed.
_TOLERATED_GROWTH = 0.1
# What a browser sends for a date and a time of day; the admin means Indian time.
_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?")
INDIAN_OFFSET = "+05:30"


def new_key() -> str:
    """A new Idempotency-Key."""
    return secrets.token_urlsafe(18)


@dataclass(frozen=True, slots=True)
class ComposeForm:
    """One form: the text of its fields, its Idempotency-Key, and its faults by field.

    ``confirmed_count`` is the number of recipients that the admin confirmed, None before that. ``has_lost_key``: the
    request had no Idempotency-Key, and the form got a new one.
    """

    typed: Mapping[str, str] = field(default_factory=lambda: dict(_EMPTY))
    idempotency_key: str = field(default_factory=new_key)
    faults: Mapping[str, str] = field(default_factory=dict)
    confirmed_count: int | None = None
    has_lost_key: bool = False

    @classmethod
    def of(cls, form: Mapping[str, str]) -> ComposeForm:
        """The form that a browser sent; a field that is missing is empty."""
        typed = {name: form.get(name, "").replace("\r\n", "\n") for name in TYPED}
        typed["kind"] = TEMPLATE if typed["kind"] == TEMPLATE else TEXT
        key = form.get(KEY_FIELD, "")
        count = form.get(CONFIRMED_FIELD, "")
        confirmed_count = int(count) if _COUNT.fullmatch(count) else None
        is_key = _KEY.fullmatch(key) is not None
        return cls(typed, key if is_key else new_key(), {}, confirmed_count, has_lost_key=not is_key)

    def confirms(self, recipient_count: int) -> bool:
        """Whether the admin confirmed about this number of recipients."""
        return self.confirmed_count is not None and recipient_count <= self.confirmed_count * (1 + _TOLERATED_GROWTH)

    @property
    def is_template(self) -> bool:
        """Whether the form sends an approved template rather than a text."""
        return self.typed["kind"] == TEMPLATE

    def preview(self, templates: Sequence[Content]) -> Markup:
        """The message as the phone shows it: the text, or the template with the values that the form has for it."""
        if not self.is_template:
            return as_whatsapp(self.typed["message"])
        sid = self.typed["content_sid"].strip()
        body = next((template.body for template in templates if template.sid == sid), "")
        values = dict(_pairs(self.typed["content_variables"]))
        return as_whatsapp(_VARIABLE.sub(lambda found: values.get(found[1]) or found[0], body))

    def definition(self, languages: Collection[str]) -> Definition:
        """The broadcast, by the rules of POST /send-broadcast. Raises InvalidFieldError."""
        return parse_request(self._body(), languages).definition

    def with_fault(self, name: str, detail: str) -> ComposeForm:
        """The same form with this fault at its field."""
        at = name if name in TYPED else ""
        label = words(name) if name else "Broadcast"
        return ComposeForm(self.typed, self.idempotency_key, {at: f"{label} {detail}."})

    def renewed(self) -> ComposeForm:
        """The same fields with a new Idempotency-Key, as another broadcast."""
        return ComposeForm(self.typed, faults=self.faults)

    def _body(self) -> dict[str, Any]:
        # A filter of spaces is a fault; only an empty one is left out.
        given = {name: text.strip() for name, text in self.typed.items() if text}
        body: dict[str, Any] = {
            name: given[name] for name in ("target_step", "language", "sector", "pincode_prefix") if name in given
        }
        body["purpose"] = self.typed["purpose"]
        body[CHECKBOX] = CHECKBOX in given
        if self.is_template:
            body["content_sid"] = given.get("content_sid", "")
            body["content_variables"] = _variables(self.typed["content_variables"])
        else:
            body["message"] = self.typed["message"]
        if "schedule_at" in given:
            when = given["schedule_at"]
            body["schedule_at"] = when + INDIAN_OFFSET if _LOCAL.fullmatch(when) else when
        return body


def check_filled_in(form: Mapping[str, str]) -> None:
    """Raises InvalidFieldError for a form that came in part: without a filter, the broadcast would go to everybody.

    A browser does not send a checkbox that is not ticked.
    """
    for name in TYPED:
        if name not in form and name != CHECKBOX:
            raise InvalidFieldError(name, "is missing: the form did not come whole")
    if form["kind"] not in {TEXT, TEMPLATE}:
        raise InvalidFieldError("kind", f"must be one of {TEXT}, {TEMPLATE}")
    if form.get(CHECKBOX, "") not in {"", TICKED}:
        raise InvalidFieldError(CHECKBOX, "must be ticked or not")


def _variables(text: str) -> dict[str, str]:
    """The values of a template, one on each line: ``1 = Asha``."""
    found: dict[str, str] = {}
    for number, (name, value) in enumerate(_pairs(text), start=1):
        if not (name and value) or name in found:
            raise InvalidFieldError("content_variables", f"need a name and a value on line {number}: 1 = Asha")
        found[name] = value
    return found


def _pairs(text: str) -> list[tuple[str, str]]:
    """The name before and the value behind the equals sign of each line that is not empty."""
    lines = (line.partition("=") for line in text.splitlines() if line.strip())
    return [(name.strip(), value.strip()) for name, _, value in lines]
