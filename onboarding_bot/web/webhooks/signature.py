"""Lets only Twilio in: the guard of everything that Twilio calls."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from flask import Response, request

from onboarding_bot.observability.logs import logger
from onboarding_bot.services.twilio_webhooks import SignatureVerifier

View = Callable[[], Response]
CALLED_BY_TWILIO = frozenset({"/webhook", "/webhook/fallback", "/status-callback"})
_NAME = re.compile(r"[A-Za-z_]{1,20}")


def signed(verifier: SignatureVerifier, note_heartbeat: Callable[[], None]) -> Callable[[View], View]:
    """403 unless one of the auth tokens signed this URL with these fields; calls ``note_heartbeat`` for each one."""

    def guard(view: View) -> View:
        @wraps(view)
        def verified() -> Response:
            url = verifier.signed_url(_as_it_came())
            if not verifier.is_genuine(url, request.form, request.headers.get("X-Twilio-Signature", "")):
                logger().warning("signature_refused", verified_url=_without_values(url))
                text = "The signature does not fit this URL and these fields."
                return Response(text, status=HTTPStatus.FORBIDDEN, mimetype="text/plain")
            note_heartbeat()
            return view()

        verified.guarded_by = "signature"  # type: ignore[attr-defined]
        return verified

    return guard


def _as_it_came() -> str:
    """Path and query to the letter. What the framework makes of them has lost a doubled slash and a trailing ``?``."""
    raw = str(request.environ.get("RAW_URI", ""))
    if "://" in raw.partition("?")[0]:
        # Some proxies ask for the whole address.
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    if raw.startswith("/"):
        return raw
    query = request.query_string.decode("latin-1")
    return f"{request.path}?{query}" if query else request.path


def _without_values(url: str) -> str:
    """The URL with the names of its query, and not what anybody may have put there."""
    address, mark, query = url.partition("?")
    names = [name if _NAME.fullmatch(name) else "…" for name in (part.partition("=")[0] for part in query.split("&"))]
    return address + mark + "&".join(f"{name}=…" for name in names if mark)
