"""WSGI middleware for paths: merges doubled slashes in Twilio's calls, and adds the public address's prefix."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

from onboarding_bot.web.webhooks.signature import CALLED_BY_TWILIO

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def merge_doubled_slashes(app: Flask) -> None:
    """Let Twilio's calls arrive where a URL was put together from two parts with a slash each; it follows no redirect.

    What was signed is the address as it came, and that stands in RAW_URI.
    """
    inner = app.wsgi_app

    def with_single_slashes(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        single = re.sub("/{2,}", "/", environ["PATH_INFO"])
        is_twilios = single.rstrip("/") in CALLED_BY_TWILIO
        return inner(environ | {"PATH_INFO": single} if is_twilios else environ, start_response)

    app.wsgi_app = with_single_slashes  # type: ignore[method-assign]


def add_path_prefix(app: Flask, prefix: str) -> None:
    """Let links carry the path prefix of the public address, which the proxy takes off on the way here."""
    inner = app.wsgi_app

    def with_prefix(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return inner(environ | {"SCRIPT_NAME": prefix}, start_response)

    app.wsgi_app = with_prefix  # type: ignore[method-assign]
