"""Where Twilio tells what became of a message; the URL names the broadcast and the recipient."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus

from flask import Blueprint, Response, request

from onboarding_bot.broadcasts.status_callbacks import StatusCallbacks
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.outbound.broadcast_definition import BROADCAST_ID
from onboarding_bot.web.webhooks.signature import SignatureVerifier, signed

_PERSON_ID = re.compile(r"[0-9a-f]{32}")
_ERROR_CODE = re.compile(r"[0-9]{1,9}")


def status_callback_routes(
    callbacks: StatusCallbacks, verifier: SignatureVerifier, note_heartbeat: Callable[[], None]
) -> Blueprint:
    """``POST /status-callback?broadcast=…&row=…``; ``note_heartbeat`` is told of each signed call."""
    routes = Blueprint("status_callback", __name__)

    @routes.post("/status-callback", strict_slashes=False)
    @signed(verifier, note_heartbeat)
    def status_callback() -> Response:
        broadcast_id, person_id = request.args.get("broadcast", ""), request.args.get("row", "")
        status = request.form.get("MessageStatus", "").lower()
        if request.form.get("EventType", "").upper() == "READ":
            status = "read"
        code = request.form.get("ErrorCode", "")
        if BROADCAST_ID.fullmatch(broadcast_id) and _PERSON_ID.fullmatch(person_id):
            try:
                callbacks.apply(
                    broadcast_id,
                    person_id,
                    request.form.get("MessageSid", ""),
                    status,
                    int(code) if _ERROR_CODE.fullmatch(code) else 0,
                )
            except StoreUnavailableError as error:
                logger().error("status_callback_postponed", code=error.code, **describe(error))
                return Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        return Response(status=HTTPStatus.NO_CONTENT)

    return routes
