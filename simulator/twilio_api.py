"""Twilio's REST API, as far as the bot uses it: send a message, read it back, read the account."""

from __future__ import annotations

import hmac
import json
import re
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from simulator.clock import rfc2822
from simulator.messages import API_VERSION, MessageStore, OutboundMessage
from simulator.outbox import Outbox, Outgoing
from simulator.settings import Settings
from simulator.twiml import MESSAGE_MAX_LENGTH


class TwilioError(Exception):
    """What Twilio answers instead: an error code of its own, an HTTP status and a sentence."""

    def __init__(self, code: int, status: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def twilio_api(settings: Settings, messages: MessageStore, outbox: Outbox) -> Blueprint:
    blueprint = Blueprint("twilio_api", __name__, url_prefix=f"/{API_VERSION}/Accounts")

    @blueprint.before_request
    def authenticate() -> None:
        given = request.authorization
        password = (given and given.password) or ""
        known = [hmac.compare_digest(password.encode(), token.encode()) for token in settings.auth_tokens]
        if not given or given.username != settings.account_sid or not any(known):
            raise TwilioError(20003, 401, "Authenticate")
        if (request.view_args or {}).get("account") != settings.account_sid:
            raise TwilioError(20404, 404, "The requested resource was not found")

    @blueprint.errorhandler(TwilioError)
    def answer_error(error: TwilioError) -> ResponseReturnValue:
        answer = jsonify(
            code=error.code,
            message=str(error),
            more_info=f"https://www.twilio.com/docs/errors/{error.code}",
            status=error.status,
        )
        answer.status_code = error.status
        if error.status == 401:
            answer.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
        return answer

    @blueprint.post("/<account>/Messages.json")
    def create_message(account: str) -> ResponseReturnValue:
        outgoing = _outgoing(settings)
        return _message_json(settings, outbox.send(outgoing)), 201

    @blueprint.get("/<account>/Messages/<sid>.json")
    def read_message(account: str, sid: str) -> ResponseReturnValue:
        message = messages.outbound(sid)
        if message is None:
            raise TwilioError(20404, 404, "The requested resource was not found")
        return _message_json(settings, message)

    @blueprint.get("/<account>.json")
    def read_account(account: str) -> ResponseReturnValue:
        return jsonify(
            sid=account,
            owner_account_sid=account,
            friendly_name="MSMEBazaar simulator",
            status="active",
            type="Trial",
            uri=f"/{API_VERSION}/Accounts/{account}.json",
        )

    return blueprint


def _outgoing(settings: Settings) -> Outgoing:
    form = request.form
    to, sender = form.get("To", ""), form.get("From", "")
    if not to:
        raise TwilioError(21604, 400, "A 'To' phone number is required.")
    if not re.fullmatch(r"whatsapp:(\+[0-9]{7,15}|[A-Z]{2}\.\w+)", to):
        raise TwilioError(21211, 400, "The 'To' number is not a valid WhatsApp address.")
    if not sender:
        raise TwilioError(21603, 400, "A 'From' phone number is required.")
    if sender != settings.whatsapp_number:
        raise TwilioError(63007, 400, "Twilio could not find a Channel with the specified From address")
    return Outgoing(to, _body(), form.get("StatusCallback"))


def _body() -> str:
    template = request.form.get("ContentSid")
    if template:
        return _template_text(template, request.form.get("ContentVariables", "{}"))
    body = request.form.get("Body", "")
    if not body:
        raise TwilioError(21602, 400, "Message body is required.")
    if len(body) > MESSAGE_MAX_LENGTH:
        raise TwilioError(
            21617, 400, f"The concatenated message body exceeds the {MESSAGE_MAX_LENGTH} character limit."
        )
    return body


def _template_text(template: str, variables: str) -> str:
    """A template's words are kept at Meta; the chat shows which one it is and what it was filled with."""
    try:
        values = json.loads(variables)
    except ValueError:
        values = None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise TwilioError(21656, 400, "The ContentVariables parameter is invalid.")
    return "\n".join([f"Template {template}", *(f"{name}: {value}" for name, value in values.items())])


def _message_json(settings: Settings, message: OutboundMessage) -> Response:
    uri = f"/{API_VERSION}/Accounts/{settings.account_sid}/Messages/{message.sid}"
    created, updated = (rfc2822(datetime.fromisoformat(at)) for at in (message.created_at, message.updated_at))
    content: dict[str, Any] = {
        "account_sid": settings.account_sid,
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": created,
        "date_sent": None if message.status == "queued" else updated,
        "date_updated": updated,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": settings.whatsapp_number,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": None,
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.person,
        "uri": f"{uri}.json",
    }
    return jsonify(content)
