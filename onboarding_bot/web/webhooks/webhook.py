"""Twilio's webhooks: verify, parse, have the bot answer, and put the answer into TwiML."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import HTTPException

from onboarding_bot.bot import WhatsAppBot
from onboarding_bot.conversation.turn import InboundMessage
from onboarding_bot.errors import BadFormError, BotError
from onboarding_bot.observability import metrics
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.web.api.problems import new_reference
from onboarding_bot.web.webhooks.inbound_message import parse_inbound
from onboarding_bot.web.webhooks.signature import SignatureVerifier, signed
from onboarding_bot.web.webhooks.twiml import twiml
from onboarding_bot.whatsapp_address import is_whatsapp

_OUTCOMES: dict[int, str] = {
    HTTPStatus.OK: "answered",
    HTTPStatus.BAD_REQUEST: "bad_form",
    HTTPStatus.FORBIDDEN: "refused",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.SERVICE_UNAVAILABLE: "postponed",
}
_CHANNELS = frozenset({"messenger", "rcs", "whatsapp"})
# Twilio may not have sent these, and their time says nothing of the bot: only their number is counted.
_UNVERIFIED = {"refused", "too_large"}


def webhook_routes(bot: WhatsAppBot, verifier: SignatureVerifier, note_heartbeat: Callable[[], None]) -> Blueprint:
    """``POST /webhook`` and ``POST /webhook/fallback``; ``note_heartbeat`` is told of each signed call."""
    routes = Blueprint("webhook", __name__)

    @routes.before_request
    def begin() -> None:
        g.webhook_began = time.monotonic()

    @routes.after_request
    def count(response: Response) -> Response:
        outcome = g.pop("webhook_outcome", None) or _OUTCOMES.get(response.status_code, "failed")
        took = time.monotonic() - g.webhook_began
        metrics.webhook_ended(outcome, None if outcome in _UNVERIFIED else took)
        return response

    @routes.post("/webhook", strict_slashes=False)
    @signed(verifier, note_heartbeat)
    def webhook() -> Response:
        message = parse_inbound(request.form)
        if not is_whatsapp(message.sender):
            return _not_whatsapp(message)
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
    @signed(verifier, note_heartbeat)
    def fallback() -> Response:
        message = parse_inbound(request.form)
        if not is_whatsapp(message.sender):
            return _not_whatsapp(message)
        g.webhook_outcome = "fallback"
        try:
            return _twiml(bot.fall_back(message))
        except Exception as error:  # noqa: BLE001 - Twilio asks nobody after the fallback
            return _apologise(error)

    @routes.errorhandler(BadFormError)
    def bad_form(error: BadFormError) -> Response:
        logger().warning("bad_form", **describe(error))
        return _plain(HTTPStatus.BAD_REQUEST, str(error))

    @routes.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        """Twilio shows a plain text in its debugger; it does not read problem documents."""
        return _plain(error.code or HTTPStatus.BAD_REQUEST, error.name)

    def _apologise(error: Exception) -> Response:
        reference = new_reference()
        g.webhook_outcome = "failed"
        logger().error("webhook_failed", reference=reference, **describe(error))
        return _twiml(bot.apologise(reference))

    return routes


def _not_whatsapp(message: InboundMessage) -> Response:
    """Send no reply: it would be an SMS, and reminders would come from a sender that the person does not know."""
    g.webhook_outcome = metrics.NOT_WHATSAPP
    channel, colon, _ = message.sender.partition(":")
    # The rest of the address may hold the person's number.
    logger().warning("not_whatsapp", channel=channel if colon and channel in _CHANNELS else "other")
    return _twiml("")


def _twiml(text: str) -> Response:
    return Response(twiml(text), mimetype="text/xml")


def _plain(status: int, text: str) -> Response:
    return Response(text, status=status, mimetype="text/plain")
