"""Reads the JSON of a request's body, whatever somebody put there."""

from __future__ import annotations

from typing import Any

from flask import request


def json_body() -> Any:
    """What the body holds, or None when that is no JSON, or nested too deeply to be read."""
    try:
        return request.get_json(silent=True)
    except RecursionError:
        return None
