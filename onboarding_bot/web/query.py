"""Reads numbers from the query of a URL."""

from __future__ import annotations

from flask import request


def whole_number(name: str, default: int, highest: int) -> int | None:
    """The query's number from 1 to ``highest``, ``default`` without one, or None when it is anything else."""
    text = request.args.get(name, str(default))
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(highest))
    return int(text) if is_number and 1 <= int(text) <= highest else None
