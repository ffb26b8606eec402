"""Send one message through Twilio's REST API, and say for certain what is known of the outcome.

https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from urllib.parse import urlencode

from onboarding_bot.outbound.twilio_errors import (
    OTHER_CHANNEL,
    SENDER_LIMITED,
    TOO_MANY_REQUESTS,
    WRONG_CREDENTIALS,
)
from onboarding_bot.services.transport import Ending, NoAnswer, TimeLimits, Transport
from onboarding_bot.whatsapp_address import is_whatsapp

# The deadline is shorter than the time after which a row that is being sent counts as uncertain.
LIMITS = TimeLimits(connect=3.0, read=10.0, deadline=15.0)
LARGEST_BODY = 64 * 1024
CALLS_AT_ONCE = 64
# How long to slow down after a 429 without a Retry-After.
PAUSE_SECONDS = 1.0
# By default Twilio repeats a status callback only when it could not connect. With this URL fragment, which is no part
# of what it signs, it also does so after a time-out and after a 5xx.
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
CONNECTION_OVERRIDES = "rc=2&rp=ct,rt,5xx"


class SendResult(StrEnum):
    """How a request ended. NOT_PROCESSED: Twilio has not taken the message. UNCERTAIN: it may have."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_PROCESSED = "not_processed"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class Sent:
    """The outcome of one request; ``code`` is Twilio's error code, 0 for none, ``retry_after`` in seconds."""

    result: SendResult
    message_sid: str = ""
    code: int = 0
    retry_after: float | None = None


class TwilioMessages:
    """The client. One for each process; its connections are pooled, and it never sends a message twice by itself."""

    def __init__(self, api_base_url: str, account_sid: str, auth_token: str, sender: str, public_base_url: str) -> None:
        self._url = f"{api_base_url}/2010-04-01/Accounts/{account_sid}/Messages.json"
        self._sender = sender
        self._callback_url = f"{public_base_url}/status-callback"
        self._transport = Transport(
            "twilio_messages",
            LIMITS,
            auth=(account_sid, auth_token),
            largest_body=LARGEST_BODY,
            calls_at_once=CALLS_AT_ONCE,
        )

    def send_text(self, to: str, body: str, callback: Mapping[str, str] | None = None) -> Sent:
        """Send free text; ``callback`` are the query fields of its status callbacks' URL."""
        return self._send({"To": to, "Body": body}, callback)

    def send_template(
        self, to: str, content_sid: str, variables: Mapping[str, str], callback: Mapping[str, str] | None = None
    ) -> Sent:
        """Send an approved template with these values for its variables."""
        content = {"To": to, "ContentSid": content_sid}
        if variables:
            content["ContentVariables"] = json.dumps(dict(variables), ensure_ascii=False)
        return self._send(content, callback)

    def _send(self, content: Mapping[str, str], callback: Mapping[str, str] | None) -> Sent:
        if not is_whatsapp(content["To"]):
            # Nobody with such an address has written to this sender; Twilio would refuse with the same code.
            return Sent(SendResult.REFUSED, code=OTHER_CHANNEL)
        form = {"From": self._sender, **content}
        if callback:
            form["StatusCallback"] = f"{self._callback_url}?{urlencode(callback)}#{CONNECTION_OVERRIDES}"
        return _sent(self._transport.call("POST", self._url, form=form).ending)


def _sent(ending: Ending) -> Sent:
    if isinstance(ending, NoAnswer):
        return Sent(SendResult.UNCERTAIN if ending.may_have_arrived else SendResult.NOT_PROCESSED)
    status, members = ending.status, ending.members()
    if status in {HTTPStatus.OK, HTTPStatus.CREATED}:
        sid = members.get("sid")
        return Sent(SendResult.ACCEPTED, message_sid=sid) if isinstance(sid, str) else Sent(SendResult.UNCERTAIN)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Sent(SendResult.UNCERTAIN, retry_after=ending.retry_after)
    code = members.get("code")
    code = code if isinstance(code, int) and not isinstance(code, bool) else 0
    if status == HTTPStatus.TOO_MANY_REQUESTS or code in {TOO_MANY_REQUESTS, SENDER_LIMITED}:
        # The sender's own limit comes with one status or another.
        code = code if code == SENDER_LIMITED else TOO_MANY_REQUESTS
        return Sent(SendResult.NOT_PROCESSED, code=code, retry_after=ending.retry_after or PAUSE_SECONDS)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        code = code or WRONG_CREDENTIALS
    return Sent(SendResult.REFUSED, code=code)
