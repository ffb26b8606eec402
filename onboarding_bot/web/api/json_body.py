"""Reads what a JSON endpoint was asked: the fields of its body, and those of its URL, none of them twice."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from flask import request

from onboarding_bot.fields import BODY, Fields, InvalidFieldError

SENT_AS = "sent with Content-Type: application/json"
_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii"})
NOTHING = "is not known here: this takes no fields"
_TWICE = "stands there twice"


class _Mark:
    """Stands for what no field may be."""


# The last of two values would win without a word.
_REPEATED = _Mark()
# No field is a number. One that is not even read can be neither too long nor infinite.
_NUMBER = _Mark()


def json_fields(*known: str, without: str = BODY, example: str = "") -> Fields:
    """The body's fields; ``without`` is what is named where there is no JSON object at all, ``example`` would be one.

    Raises InvalidFieldError.
    """
    known_query()
    detail = f"must stand in {example}, {SENT_AS}" if example else f"must be a JSON object, {SENT_AS}"
    body = _read(without, detail)
    if not isinstance(body, dict):
        raise InvalidFieldError(without, detail)
    return Fields(_without_repeats(body), known)


def no_fields() -> None:
    """For what takes no fields: a body may be missing or an empty object. Raises InvalidFieldError for any other.

    Whoever sends a field means something by it, a dry run perhaps.
    """
    known_query()
    if not request.get_data():
        return
    if not request.is_json:
        raise InvalidFieldError(next(iter(request.form), BODY), NOTHING)
    body = _read(BODY, NOTHING)
    if not isinstance(body, dict):
        raise InvalidFieldError(BODY, NOTHING)
    Fields(_without_repeats(body), ())


def known_query(*known: str) -> None:
    """Raises InvalidFieldError for what stands in the URL and is not ``known``, or stands there twice."""
    refuse_unknown_and_repeated(request.args.to_dict(flat=False), known, "is not known in this URL")


def refuse_unknown_and_repeated(given: Mapping[str, Collection[object]], known: Collection[str], detail: str) -> None:
    """Raises InvalidFieldError for a name that is not ``known``, or has more than one value."""
    for name, values in given.items():
        if name not in known:
            raise InvalidFieldError(name, detail)
        if len(values) > 1:
            raise InvalidFieldError(name, _TWICE)


def _read(without: str, detail: str) -> Any:
    """Whatever JSON the body holds."""
    if not request.is_json:
        raise InvalidFieldError(without, detail)
    if request.mimetype_params.get("charset", "").lower() not in _CHARSETS:
        raise InvalidFieldError(without, f"{detail}, in UTF-8")
    try:
        return json.loads(
            # Some systems put a mark in front that stands for no character.
            request.get_data().decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_int=_number,
            parse_float=_number,
            parse_constant=_number,
        )
    except (ValueError, RecursionError):
        raise InvalidFieldError(without, detail) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        found[name] = _REPEATED if name in found else value
    return found


def _number(_digits: str) -> _Mark:
    return _NUMBER


def _without_repeats(body: Mapping[str, Any]) -> Mapping[str, Any]:
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
