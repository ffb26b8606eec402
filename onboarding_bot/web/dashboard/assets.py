"""The dashboard's style sheet, script and icon, under paths that change with their content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Blueprint, Response, send_from_directory, url_for

FOLDER = Path(__file__).parent / "static"
ONE_YEAR_SECONDS = 365 * 24 * 3600


def add_assets(routes: Blueprint) -> None:
    """``/dashboard/static/VERSION/NAME``, open to everybody: nothing personal is in it."""
    version = _version()

    @routes.get("/static/<asked>/<path:name>")
    def asset(asked: str, name: str) -> Response:
        response = send_from_directory(FOLDER, name)
        # The path with this version never has another content. A page that was open during an update asks for an
        # earlier version: it gets the file of today, and browsers do not keep that under the earlier path.
        is_current = asked == version
        response.headers["Cache-Control"] = (
            f"public, max-age={ONE_YEAR_SECONDS}, immutable" if is_current else "no-cache"
        )
        return response

    @routes.context_processor
    def addresses() -> dict[str, object]:
        return {"asset": lambda name: url_for(".asset", asked=version, name=name)}


def _version() -> str:
    digest = hashlib.sha256()
    for file in sorted(FOLDER.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
