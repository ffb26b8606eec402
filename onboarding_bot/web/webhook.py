"""Twilio's webhooks: verify, parse, have the bot answer, and put the answer into TwiML."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from flask import Blueprint, Response, request
from twilio.twiml.messaging_response import MessagingResponse
from werkzeug.exceptions import HTTPException

from onboarding_bot.bot import WhatsAppBot
from onboarding_bot.conversation.turn import InboundMessage
from onboarding_bot.errors import BadFormError, BotError
from onboarding_bot.logs import describe, logger
from onboarding_bot.services.twilio import SignatureVerifier, parse_inbound

# Read aloud on the phone: no letters and digits that sound or look alike.
REFERENCE_ALPHABET = "34679ACDEFHJKMNPRTVWXY"
REFERENCE_LENGTH = 4


def webhook_routes(bot: WhatsAppBot, verifier: SignatureVerifier) -> Blueprint:
    """``POST /webhook`` and ``POST /webhook/fallback``."""
    routes = Blueprint("webhook", __name__)

    def signed(view: Callable[[InboundMessage], Response]) -> Callable[[], Response]:
        @wraps(view)
        def verified() -> Response:
            url = verifier.signed_url(request.path, request.query_string.decode("latin-1"))
            if not verifier.is_genuine(url, request.form, request.headers.get("X-Twilio-Signature", "")):
                logger().warning("signature_refused", verified_url=url)
                return _plain(HTTPStatus.FORBIDDEN, "The signature does not fit this URL and these fields.")
            try:
                message = parse_inbound(request.form)
            except BadFormError as error:
                logger().warning("bad_form", **describe(error))
                return _plain(HTTPStatus.BAD_REQUEST, str(error))
            return view(message)

        verified.guarded_by = "signature"  # type: ignore[attr-defined]
        return verified

    @routes.post("/webhook", strict_slashes=False)
    @signed
    def webhook(message: InboundMessage) -> Response:
        try:
            return _twiml(bot.answer(message))
        except BotError as error:
            if not error.retryable:
                return _apologise(error)
            bot.count_failure()
            logger().error("webhook_postponed", code=error.code, **describe(error))
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, "Please deliver this message again.")
        except Exception as error:  # noqa: BLE001 - a retry would fail in the same way, and the person would wait in vain
            return _apologise(error)

    @routes.post("/webhook/fallback", strict_slashes=False)
    @signed
    def fallback(message: InboundMessage) -> Response:
        try:
            return _twiml(bot.fall_back(message))
        except Exception as error:  # noqa: BLE001 - Twilio asks nobody after the fallback
            return _apologise(error)

    @routes.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        """Twilio shows a plain text in its debugger; it does not read problem documents."""
        return _plain(error.code or HTTPStatus.BAD_REQUEST, error.name)

    def _apologise(error: Exception) -> Response:
        reference = "".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(REFERENCE_LENGTH))
        logger().error("webhook_failed", reference=reference, **describe(error))
        return _twiml(bot.apologise(reference))

    return routes


def _twiml(text: str) -> Response:
    response = MessagingResponse()
    if text:
        response.message(text)
    return Response(str(response), mimetype="text/xml")


def _plain(status: int, text: str) -> Response:
    return Response(text, status=status, mimetype="text/plain")
