"""Reads what a JSON endpoint was asked: the fields of its body, its URL and its headers, none of them twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from flask import request

from onboarding_bot.fields import BODY, FieldReader, InvalidFieldError, Record, fields_of
from onboarding_bot.web.api.operations.operation import NoFields

SENT_AS = "sent with Content-Type: application/json"
_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii"})
NOTHING = "is not known here: this takes no fields"
_TWICE = "stands there twice"


class _NotAValue:
    """A value that no field may have."""


# Stands for a name that an object has twice: the last of its values would win without a word.
_REPEATED = _NotAValue()
# Stands for a number. No field is one, and one that is not even read can be neither too long nor infinite.
_NUMBER = _NotAValue()


def read_body(record: type[Record], parse: Callable[[Mapping[str, Any]], Record] | None = None) -> Record:
    """The record in the JSON body; ``parse`` reads it where there are rules between the fields.

    Where the body is no JSON object, the record's first required field is named. Raises InvalidFieldError.
    """
    first = next((field for field in fields_of(record).values() if field.is_required), None)
    name = first.name if first else BODY
    shape = json.dumps({name: first.example}, ensure_ascii=False) if first else ""
    detail = f"must stand in {shape}, {SENT_AS}" if first else f"must be a JSON object, {SENT_AS}"
    given = _object(_json(name, detail), name, detail)
    return parse(given) if parse else FieldReader(record, given).record()


def refuse_body() -> NoFields:
    """For what takes no fields: a body may be missing or an empty object. Raises InvalidFieldError for any other.

    A caller who sends a field expects something of it, a dry run perhaps.
    """
    if not request.get_data():
        return NoFields()
    if not request.is_json:
        raise InvalidFieldError(next(iter(request.form), BODY), NOTHING)
    return FieldReader(NoFields, _object(_json(BODY, NOTHING), BODY, NOTHING)).record()


def read_query(record: type[Record]) -> Record:
    """The record in the URL's query. Raises InvalidFieldError."""
    refuse_unknown_query(*fields_of(record))
    return FieldReader(record, request.args.to_dict()).record()


def read_headers(record: type[Record]) -> Record:
    """The record in the headers that its fields name; other headers are ignored. Raises InvalidFieldError."""
    given = {name: request.headers[name] for name in fields_of(record) if name in request.headers}
    return FieldReader(record, given).record()


def refuse_unknown_query(*known: str) -> None:
    """Raises InvalidFieldError for a query parameter that is not ``known``, or is repeated."""
    refuse_unknown_and_repeated(request.args.to_dict(flat=False), known, "is not known in this URL")


def refuse_unknown_and_repeated(given: Mapping[str, Collection[object]], known: Collection[str], detail: str) -> None:
    """Raises InvalidFieldError for a name that is not ``known``, or has more than one value."""
    for name, values in given.items():
        if name not in known:
            raise InvalidFieldError(name, detail)
        if len(values) > 1:
            raise InvalidFieldError(name, _TWICE)


def _json(name: str, detail: str) -> Any:
    """The JSON of the body. Raises InvalidFieldError with this name and detail where there is none."""
    if not request.is_json:
        raise InvalidFieldError(name, detail)
    if request.mimetype_params.get("charset", "").lower() not in _CHARSETS:
        raise InvalidFieldError(name, f"{detail}, in UTF-8")
    try:
        return json.loads(
            # Some systems put a mark in front that stands for no character.
            request.get_data().decode("utf-8-sig"),
            object_pairs_hook=_pairs,
            parse_int=_number,
            parse_float=_number,
            parse_constant=_number,
        )
    except (ValueError, RecursionError):
        raise InvalidFieldError(name, detail) from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        found[name] = _REPEATED if name in found else value
    return found


def _number(_digits: str) -> _NotAValue:
    return _NUMBER


def _object(body: Any, without: str, detail: str) -> Mapping[str, Any]:
    """The body as an object in which no name stands twice, at any depth."""
    if not isinstance(body, dict):
        raise InvalidFieldError(without, detail)
    for name, value in body.items():
        if value is _REPEATED:
            raise InvalidFieldError(name, _TWICE)
        left = [value]
        while left:
            one = left.pop()
            if one is _REPEATED:
                raise InvalidFieldError(name, "holds a name twice")
            left.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
    return body
