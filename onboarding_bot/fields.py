"""The fields of what somebody asks for, read one by one: each is what it must be, or named in the refusal."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from onboarding_bot.errors import BotError

BODY = "body"
NULL = "must not be null: leave it out, or say what it is"
_NAME_SHOWN = 64
_Choice = TypeVar("_Choice", bound=StrEnum)
# JSON can spell half of a character that is written as two; nobody could store or send it.
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
# What no keyboard writes; a line break and a tab are text.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class InvalidFieldError(BotError):
    """A field is missing, unknown, there twice, or says nothing that can be done: which one, and what to do."""

    code = "fields.invalid"

    def __init__(self, name: str, detail: str) -> None:
        self.name = shown(name)
        self.detail = detail
        super().__init__(f"{self.name}: {detail}")


class Fields:
    """The fields that were given. A null says nothing: whoever leaves a field out takes its default on purpose."""

    def __init__(self, given: Mapping[str, Any], known: Collection[str]) -> None:
        """Raises InvalidFieldError for a field that is not ``known``, and for a null."""
        for name in given:
            if name not in known:
                raise InvalidFieldError(name, f"is not known here; known are {', '.join(known) or 'none'}")
        for name, value in given.items():
            if value is None:
                raise InvalidFieldError(name, NULL)
        self._given = given

    def text(self, name: str) -> str | None:
        """A text, None where the field was left out. Every method raises InvalidFieldError."""
        value = self._given.get(name)
        if value is not None and not is_text(value):
            raise InvalidFieldError(name, "must be a text, without control characters")
        return value

    def flag(self, name: str, *, default: bool | None = None) -> bool:
        """True or false, and nothing that only looks like it; without ``default`` it must be said."""
        value = self._given.get(name, default)
        if not isinstance(value, bool):
            raise InvalidFieldError(name, "must be true or false")
        return value

    def member(self, name: str, allowed: Collection[str]) -> str | None:
        """One of these texts."""
        value = self.text(name)
        if value is not None and value not in allowed:
            raise InvalidFieldError(name, f"must be one of {', '.join(allowed)}")
        return value

    def choice(self, name: str, choices: type[_Choice]) -> _Choice | None:
        """One of an enum's values."""
        value = self.member(name, [choice.value for choice in choices])
        return None if value is None else choices(value)

    def texts(self, name: str) -> dict[str, str]:
        """An object of texts that all say something."""
        value = self._given.get(name, {})
        if not isinstance(value, dict) or not all(
            is_text(text) and text.strip() for pair in value.items() for text in pair
        ):
            raise InvalidFieldError(name, "must be an object of texts, none of them empty")
        return dict(value)


def is_text(value: Any) -> bool:
    """Whether this is a text that can be stored and sent."""
    return isinstance(value, str) and not _HALF_CHARACTER.search(value) and not _CONTROL.search(value)


def shown(name: str) -> str:
    """The name of a field as it may be repeated to whoever sent it."""
    return _CONTROL.sub("?", _HALF_CHARACTER.sub("?", name))[:_NAME_SHOWN]
