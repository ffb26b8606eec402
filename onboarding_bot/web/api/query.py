"""Reads numbers from the query of a URL."""

from __future__ import annotations

from flask import request

from onboarding_bot.fields import InvalidFieldError


def whole_number(name: str, default: int, highest: int) -> int:
    """The query's number from 1 to ``highest``, ``default`` without one. Raises InvalidFieldError for anything else."""
    text = request.args.get(name, str(default))
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(highest))
    if not is_number or not 1 <= int(text) <= highest:
        raise InvalidFieldError(name, f"must be a whole number from 1 to {highest}")
    return int(text)
