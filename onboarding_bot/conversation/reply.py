"""Replies as codes of texts with their values; ``rendering`` puts them into words from the catalogues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class TextRef:
    """A value that is itself a text of the catalogues, such as the name of a sector."""

    code: str


@dataclass(frozen=True, slots=True)
class Url:
    """A value that is a URL of ours, and arrives letter for letter."""

    url: str


# A plain string is what a person typed: rendering takes WhatsApp's formatting out of it.
Value = str | int | TextRef | Url


@dataclass(frozen=True, slots=True)
class Part:
    """One paragraph of a reply: the text's code and what goes into its placeholders."""

    code: str
    values: Mapping[str, Value] = field(default_factory=dict)


Reply = tuple[Part, ...]


def to_record(reply: Reply) -> list[Any]:
    """A reply as JSON: ``[[code, {placeholder: value}], …]``, references and URLs as one-entry objects."""
    return [[part.code, {name: _value_to_record(value) for name, value in part.values.items()}] for part in reply]


def from_record(record: list[Any]) -> Reply:
    """The reply that ``to_record`` wrote."""
    return tuple(
        Part(code, {name: _value_from_record(value) for name, value in values.items()}) for code, values in record
    )


def _value_to_record(value: Value) -> Any:
    match value:
        case TextRef(code):
            return {"text": code}
        case Url(url):
            return {"link": url}
        case _:
            return value


def _value_from_record(record: Any) -> Value:
    match record:
        case {"text": str(code)}:
            return TextRef(code)
        case {"link": str(url)}:
            return Url(url)
        case str() | int():
            return record
        case _:
            raise ValueError("not a value of a reply")
