"""Reads the fields of a request into a typed record, and names the first field that the record does not allow.

A record is a ``msgspec.Struct``: its annotations hold each field's type, limits, description and example, and both this
module and the OpenAPI document read them there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Generic, TypeVar

from msgspec import NODEFAULT, Meta, Struct
from msgspec.inspect import (
    BoolType,
    DateTimeType,
    DictType,
    EnumType,
    IntType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    type_info,
)

from onboarding_bot.errors import BotError
from onboarding_bot.time_zone import INDIA

BODY = "body"
NULL = "must not be null: leave it out, or say what it is"
TEXT_REFUSAL = "must be a text, without control characters"
MOMENT_REFUSAL = "must be ISO 8601 with an offset, like 2026-12-01T10:00:00+05:30"
# The key in a field's ``Meta.extra`` of the words that refuse a text outside its limits.
REFUSAL = "refusal"
_NAME_SHOWN = 64
# JSON can spell half of a character that is written as two; nobody could store or send it.
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
# What no keyboard writes; a line break and a tab are text. The syntax is that of JSON Schema's patterns as well.
_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_CONTROL = re.compile(f"[{_CONTROLS}]")

# A text without control characters, and one that also has a character to see.
Text = Annotated[str, Meta(pattern=f"^[^{_CONTROLS}]*$")]
FILLED = rf"^[^{_CONTROLS}]*[^\s{_CONTROLS}][^{_CONTROLS}]*$"
FilledText = Annotated[str, Meta(pattern=FILLED)]

Record = TypeVar("Record", bound=Struct)


class InvalidFieldError(BotError):
    """A field is missing, unknown, repeated or outside its limits: ``name`` is the field, ``detail`` what to do."""

    code = "fields.invalid"

    def __init__(self, name: str, detail: str) -> None:
        self.name = shown(name)
        self.detail = detail
        super().__init__(f"{self.name}: {detail}")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record. ``name`` is what the request calls it, ``attribute`` what the record does."""

    name: str
    attribute: str
    type: Type
    is_required: bool
    default: Any
    refusal: str
    example: Any


class FieldReader(Generic[Record]):
    """Reads the fields that were given for one record. Every method raises InvalidFieldError.

    ``choices`` are the values of those fields whose choice is known only when the bot runs.
    """

    def __init__(
        self, record: type[Record], given: Mapping[str, Any], choices: Mapping[str, Collection[str]] | None = None
    ) -> None:
        """Refuses an unknown field, and a null: to take a field's default, a caller leaves it out."""
        self._record = record
        self._fields = fields_of(record)
        self._given = given
        self._choices = choices or {}
        for name in given:
            if name not in self._fields:
                raise InvalidFieldError(name, f"is not known here; known are {', '.join(self._fields) or 'none'}")
        for name, value in given.items():
            if value is None:
                raise InvalidFieldError(name, NULL)

    def has(self, name: str) -> bool:
        """Whether the request has this field."""
        return name in self._given

    def check_type(self, name: str) -> None:
        """Refuse a value of another type; its limits are not looked at."""
        if name in self._given:
            _check_type(self._fields[name], self._given[name])

    def value(self, name: str) -> Any:
        """The value in its field's type, or the default where the request leaves the field out."""
        field = self._fields[name]
        if name in self._given:
            return _value(field, self._given[name], self._choices.get(name))
        if field.is_required:
            raise InvalidFieldError(name, _missing(field))
        return field.default

    def record(self) -> Record:
        """All fields. Of several faults the first in the record's order is named, and a missing field last."""
        given = {name: self.value(name) for name in self._fields if name in self._given}
        return self._record(
            **{
                field.attribute: given[name] if name in given else self.value(name)
                for name, field in self._fields.items()
            }
        )


@cache
def fields_of(record: type[Struct]) -> Mapping[str, Field]:
    """The record's fields by their names in a request, in their order."""
    info = type_info(record)
    assert isinstance(info, StructType)  # noqa: S101 - for the type checker: the argument is a struct
    found = {}
    for field in info.fields:
        default = field.default_factory() if field.default is NODEFAULT and not field.required else field.default
        kind, extra, schema = _unwrapped(field.type)
        example = next(iter(schema.get("examples", ())), None)
        refusal = extra.get(REFUSAL, "")
        found[field.encode_name] = Field(field.encode_name, field.name, kind, field.required, default, refusal, example)
    return found


def whole_number(text: str, lowest: int, highest: int) -> int | None:
    """The number that ASCII digits spell, or None for anything else and outside these bounds."""
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(highest))
    return int(text) if is_number and lowest <= int(text) <= highest else None


def is_text(value: Any) -> bool:
    """Whether this is a text that can be stored and sent."""
    return isinstance(value, str) and not _HALF_CHARACTER.search(value) and not _CONTROL.search(value)


def shown(name: str) -> str:
    """The name of a field as the answer may repeat it: no control characters, and at most 64 others."""
    return _CONTROL.sub("?", _HALF_CHARACTER.sub("?", name))[:_NAME_SHOWN]


def _unwrapped(info: Type) -> tuple[Type, Mapping[str, Any], Mapping[str, Any]]:
    """A field's own type without its null, with the extras and the JSON Schema of its annotations."""
    extra: dict[str, Any] = {}
    schema: dict[str, Any] = {}
    while isinstance(info, Metadata | UnionType):
        if isinstance(info, Metadata):
            extra |= info.extra or {}
            schema |= info.extra_json_schema or {}
            info = info.type
        else:
            (info,) = [one for one in info.types if not isinstance(one, NoneType)]
    return info, extra, schema


def _check_type(field: Field, value: Any) -> None:
    match field.type:
        case StrType(pattern=None):
            is_right, detail = isinstance(value, str), TEXT_REFUSAL
        case StrType() | EnumType() | DateTimeType():
            is_right, detail = is_text(value), TEXT_REFUSAL
        case BoolType():
            is_right, detail = isinstance(value, bool), "must be true or false"
        case DictType():
            is_right, detail = _is_object_of_texts(value), "must be an object of texts, none of them empty"
        case IntType(ge=lowest, le=highest):
            is_right, detail = isinstance(value, str), f"must be a whole number from {lowest} to {highest}"
        case other:
            raise TypeError(f"no field of a request can be {other}")
    if not is_right:
        raise InvalidFieldError(field.name, detail)


def _value(field: Field, given: Any, choices: Collection[str] | None) -> Any:
    _check_type(field, given)
    match field.type:
        case EnumType(cls=choice):
            return choice(_member(field.name, given, [str(member) for member in choice]))
        case StrType() if choices is not None:
            return _member(field.name, given, choices)
        case StrType() as limits:
            return _within(field, given, limits)
        case DateTimeType():
            return _moment(field.name, given)
        case IntType(ge=int() as lowest, le=int() as highest):
            number = whole_number(given, lowest, highest)
            if number is None:
                raise InvalidFieldError(field.name, f"must be a whole number from {lowest} to {highest}")
            return number
        case DictType():
            return dict(given)
    return given


def _missing(field: Field) -> str:
    match field.type:
        case EnumType(cls=choice):
            return _one_of([str(member) for member in choice])
        case StrType():
            return f'must be a text like "{field.example}"'
    return "must be true or false"


def _one_of(choices: Collection[str]) -> str:
    return f"must be one of {', '.join(choices)}"


def _member(name: str, value: str, choices: Collection[str]) -> str:
    if value not in choices:
        raise InvalidFieldError(name, _one_of(choices))
    return value


def _within(field: Field, value: str, limits: StrType) -> str:
    lowest, highest = limits.min_length or 0, limits.max_length
    is_within = lowest <= len(value) and (highest is None or len(value) <= highest)
    # Python's "$" also stands before a last line break; only a full match is what other readers of a pattern mean.
    if not is_within or (limits.pattern and not re.fullmatch(limits.pattern, value)):
        raise InvalidFieldError(field.name, field.refusal or f"must have {lowest} to {highest} characters")
    return value


def _moment(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        for zone in (UTC, INDIA):  # the first and the last day there is exist in some time zones only
            moment.astimezone(zone)
    except (ValueError, OverflowError):
        raise InvalidFieldError(name, MOMENT_REFUSAL) from None
    if moment.tzinfo is None:
        raise InvalidFieldError(name, MOMENT_REFUSAL)
    return moment


def _is_object_of_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(is_text(text) and text.strip() for pair in value.items() for text in pair)
