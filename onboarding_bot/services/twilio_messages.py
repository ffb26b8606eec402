"""Sending through Twilio's REST API: one message, and what is known for certain of how it ended.

https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError

from onboarding_bot.observability.tracing import current_trace
from onboarding_bot.whatsapp_address import is_whatsapp

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
CALLS_AT_ONCE = 64
TOO_MANY_REQUESTS_CODE = 20429
WRONG_CREDENTIALS_CODE = 20003
# The sender's own limit, which comes with one status or another.
SENDER_LIMITED_CODE = 63018
OTHER_CHANNEL_CODE = 21910
PAUSE_SECONDS = 1.0
# By default Twilio repeats a callback only when it could not connect; what stands behind the # has it do so after a
# time-out and a 5xx as well, and is not part of what it signs.
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
CONNECTION_OVERRIDES = "rc=2&rp=ct,rt,5xx"
# A header that says more than this is more likely wrong than meant; the next message asks again.
LONGEST_PAUSE_SECONDS = 300.0


class SendResult(StrEnum):
    """How a call ended. UNCERTAIN: the message may be out."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_PROCESSED = "not_processed"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class Sent:
    """The end of one call: the message's SID, or Twilio's error code, or when to come back (seconds)."""

    result: SendResult
    message_sid: str = ""
    code: int = 0
    retry_after: float | None = None


class TwilioMessages:
    """The client. One for each process; its connections are pooled, and it never tries anything twice by itself."""

    def __init__(self, api_base_url: str, account_sid: str, auth_token: str, sender: str, public_base_url: str) -> None:
        self._url = f"{api_base_url}/2010-04-01/Accounts/{account_sid}/Messages.json"
        self._sender = sender
        self._callback_url = f"{public_base_url}/status-callback"
        self._session = requests.Session()
        self._session.auth = (account_sid, auth_token)
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=CALLS_AT_ONCE, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def send_text(self, to: str, body: str, callback: Mapping[str, str] | None = None) -> Sent:
        """Send free text; ``callback`` names what the status callbacks are about."""
        return self._send({"To": to, "Body": body}, callback)

    def send_template(
        self, to: str, content_sid: str, variables: Mapping[str, str], callback: Mapping[str, str] | None = None
    ) -> Sent:
        """Send an approved template with its variables filled in."""
        content = {"To": to, "ContentSid": content_sid}
        if variables:
            content["ContentVariables"] = json.dumps(dict(variables), ensure_ascii=False)
        return self._send(content, callback)

    def _send(self, content: Mapping[str, str], callback: Mapping[str, str] | None) -> Sent:
        if not is_whatsapp(content["To"]):
            # Nobody there ever wrote to this sender; Twilio would say the same.
            return Sent(SendResult.REFUSED, code=OTHER_CHANNEL_CODE)
        form = {"From": self._sender, **content}
        if callback:
            form["StatusCallback"] = f"{self._callback_url}?{urlencode(callback)}#{CONNECTION_OVERRIDES}"
        try:
            response = self._session.post(
                self._url,
                data=form,
                headers={"traceparent": current_trace().traceparent()},
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                allow_redirects=False,
            )
        except requests.ConnectTimeout:
            return Sent(SendResult.NOT_PROCESSED)
        except requests.ConnectionError as error:
            cause = error.args[0] if error.args else None
            never_connected = isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
            return Sent(SendResult.NOT_PROCESSED if never_connected else SendResult.UNCERTAIN)
        except requests.RequestException:
            return Sent(SendResult.UNCERTAIN)
        return _read(response)


def _read(response: requests.Response) -> Sent:
    status = response.status_code
    answer = _json(response)
    if status in {HTTPStatus.OK, HTTPStatus.CREATED}:
        sid = answer.get("sid")
        return Sent(SendResult.ACCEPTED, message_sid=sid) if isinstance(sid, str) else Sent(SendResult.UNCERTAIN)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Sent(SendResult.UNCERTAIN, retry_after=_retry_after(response))
    code = answer.get("code")
    code = code if isinstance(code, int) and not isinstance(code, bool) else 0
    if status == HTTPStatus.TOO_MANY_REQUESTS or code in {TOO_MANY_REQUESTS_CODE, SENDER_LIMITED_CODE}:
        code = code if code == SENDER_LIMITED_CODE else TOO_MANY_REQUESTS_CODE
        return Sent(SendResult.NOT_PROCESSED, code=code, retry_after=_retry_after(response) or PAUSE_SECONDS)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        code = code or WRONG_CREDENTIALS_CODE
    return Sent(SendResult.REFUSED, code=code)


def _json(response: requests.Response) -> Mapping[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _retry_after(response: requests.Response) -> float | None:
    header = response.headers.get("Retry-After", "")
    return min(float(header), LONGEST_PAUSE_SECONDS) if header.isascii() and header.isdigit() else None
