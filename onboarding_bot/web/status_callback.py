"""Where Twilio tells what became of a message; the URL says which broadcast and row it was about."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, request

from onboarding_bot.broadcast.callbacks import Callbacks
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.logs import describe, logger
from onboarding_bot.services.twilio import SignatureVerifier
from onboarding_bot.web.signature import signed


def status_callback_routes(callbacks: Callbacks, verifier: SignatureVerifier) -> Blueprint:
    """``POST /status-callback?broadcast=…&row=…``."""
    routes = Blueprint("status_callback", __name__)

    @routes.post("/status-callback", strict_slashes=False)
    @signed(verifier)
    def status_callback() -> Response:
        broadcast_id, row = request.args.get("broadcast", ""), request.args.get("row", "")
        status = request.form.get("MessageStatus", "").lower()
        if request.form.get("EventType", "").upper() == "READ":
            status = "read"
        code = request.form.get("ErrorCode", "")
        if broadcast_id and _is_person_id(row):
            try:
                callbacks.apply(
                    broadcast_id,
                    row,
                    request.form.get("MessageSid", ""),
                    status,
                    int(code) if code.isascii() and code.isdigit() else 0,
                )
            except StoreUnavailableError as error:
                logger().error("status_callback_postponed", code=error.code, **describe(error))
                return Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        return Response(status=HTTPStatus.NO_CONTENT)

    return routes


def _is_person_id(text: str) -> bool:
    return len(text) == 32 and all(character in "0123456789abcdef" for character in text)
