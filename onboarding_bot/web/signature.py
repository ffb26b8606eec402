"""Lets only Twilio in: the guard of everything that Twilio calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from flask import Response, request

from onboarding_bot.logs import logger
from onboarding_bot.services.twilio import SignatureVerifier

View = Callable[[], Response]


def signed(verifier: SignatureVerifier, heard: Callable[[], None]) -> Callable[[View], View]:
    """403 unless one of the auth tokens signed this URL with these fields; ``heard`` is told of each that is good."""

    def guard(view: View) -> View:
        @wraps(view)
        def verified() -> Response:
            url = verifier.signed_url(request.path, request.query_string.decode("latin-1"))
            if not verifier.is_genuine(url, request.form, request.headers.get("X-Twilio-Signature", "")):
                logger().warning("signature_refused", verified_url=url)
                text = "The signature does not fit this URL and these fields."
                return Response(text, status=HTTPStatus.FORBIDDEN, mimetype="text/plain")
            heard()
            return view()

        verified.guarded_by = "signature"  # type: ignore[attr-defined]
        return verified

    return guard
