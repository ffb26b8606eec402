"""Twilio's own record of messages, both ways: listed page by page, deleted, and tried again when that fails in passing.

https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
https://www.twilio.com/docs/messaging/api/message-resource#delete-a-message-resource
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import requests

from onboarding_bot.errors import BotError
from onboarding_bot.observability.tracing import current_trace

CONNECT_SECONDS = 3.0
READ_SECONDS = 20.0
MOST_TRIES = 5
PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
PAGE_SIZE = 1000
_DELETED = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND})
# A message that is still on its way cannot be deleted (error 20009).
_NOT_YET = HTTPStatus.CONFLICT


class MessageLogError(BotError):
    """Twilio did not list or delete messages; the message is one plain line, without any secret or number."""

    code = "message_log.failed"

    def __init__(self, message: str, *, retryable: bool, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after


class Direction(StrEnum):
    """Whose message it is; a reply came back as TwiML, everything else went out through the REST API."""

    INBOUND = "inbound"
    REPLY = "outbound-reply"
    SENT = "outbound-api"


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """One message as Twilio remembers it; ``at`` is UTC and exact to the second, ``media`` counts attachments."""

    sid: str
    sender: str
    recipient: str
    direction: Direction
    text: str
    at: datetime
    media: int


class MessageLog:
    """The client. Every method raises MessageLogError when repeating did not help."""

    def __init__(
        self, api_base_url: str, account_sid: str, auth_token: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._base = api_base_url
        self._messages = f"{api_base_url}/2010-04-01/Accounts/{account_sid}/Messages"
        self._sleep = sleep
        self._session = requests.Session()
        self._session.auth = (account_sid, auth_token)

    def messages(
        self, *, sender: str | None = None, recipient: str | None = None, since: datetime | None = None
    ) -> Iterator[LoggedMessage]:
        """Messages from ``sender``, to ``recipient``, not older than ``since``; the latest first, as Twilio has them.

        A page is asked for when it is needed.
        """
        asked = {"From": sender, "To": recipient, "DateSent>": since and f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        url: str | None = (
            f"{self._messages}.json?{urlencode({k: v for k, v in asked.items() if v} | {'PageSize': PAGE_SIZE})}"
        )
        while url:
            page = _content(self._ask("GET", url))
            for record in _records(page, "messages"):
                message = _message(record)
                # Whether Twilio goes by the moment or by its day is not documented.
                if message and (since is None or message.at >= since.replace(microsecond=0)):
                    yield message
            url = self._following(page)

    def delete(self, message: LoggedMessage) -> bool:
        """Delete a message with its media; False while Twilio still works on it. One that is gone is deleted."""
        own = f"{self._messages}/{message.sid}"
        return (not message.media or self._delete_media(own)) and self._delete(f"{own}.json")

    def _delete_media(self, message_url: str) -> bool:
        """A medium that hangs on several messages is only gone when it is deleted on all of them."""
        answer = self._ask("GET", f"{message_url}/Media.json?{urlencode({'PageSize': PAGE_SIZE})}", _DELETED)
        if answer.status_code != HTTPStatus.OK:
            return True
        media = _records(_content(answer), "media_list")
        return all(self._delete(f"{message_url}/Media/{medium.get('sid')}.json") for medium in media)

    def _delete(self, url: str) -> bool:
        return self._ask("DELETE", url, _DELETED | {_NOT_YET}).status_code != _NOT_YET

    def _following(self, page: Mapping[str, Any]) -> str | None:
        """The next page, at the configured host: credentials go nowhere else, whatever an answer names."""
        path = page.get("next_page_uri")
        if not path:
            return None
        if not isinstance(path, str) or not path.startswith("/"):
            raise MessageLogError("Twilio names a next page that is not its own", retryable=False)
        return self._base + path

    def _ask(self, method: str, url: str, besides_ok: frozenset[HTTPStatus] = frozenset()) -> requests.Response:
        """The answer, with status 200 or one ``besides_ok``."""
        tries = 1
        while True:
            try:
                return self._try_once(method, url, besides_ok | {HTTPStatus.OK})
            except MessageLogError as error:
                if not error.retryable or tries == MOST_TRIES:
                    raise
                pause = max(error.retry_after, PAUSE_SECONDS * 2 ** (tries - 1))
            self._sleep(min(pause, LONGEST_PAUSE_SECONDS))
            tries += 1

    def _try_once(self, method: str, url: str, expected: frozenset[HTTPStatus]) -> requests.Response:
        try:
            response = self._session.request(
                method,
                url,
                headers={"traceparent": current_trace().traceparent()},
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise MessageLogError(f"Twilio cannot be reached ({type(error).__name__})", retryable=True) from error
        if response.status_code not in expected:
            raise _refusal(response)
        return response


def _content(response: requests.Response) -> Mapping[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        raise MessageLogError("Twilio answered no JSON", retryable=False) from None
    return answer if isinstance(answer, dict) else {}


def _refusal(response: requests.Response) -> MessageLogError:
    status = response.status_code
    header = response.headers.get("Retry-After", "")
    says = (
        "Twilio refuses the credentials: look at TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        else f"Twilio answered {status} about its messages"
    )
    return MessageLogError(
        says,
        retryable=status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        retry_after=float(header) if header.isascii() and header.isdigit() else 0.0,
    )


def _records(page: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    records = page.get(name)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise MessageLogError(f"the list of {name} has another form than Twilio's", retryable=False)
    return records


def _message(record: Mapping[str, Any]) -> LoggedMessage | None:
    """The message in a record; None for one that is not on its way yet, and so has no time."""
    # An inbound message is created when it comes; an outbound one may be sent later than it was created.
    moment = record.get("date_sent") or record.get("date_created")
    if not moment:
        return None
    try:
        at = parsedate_to_datetime(moment)
        return LoggedMessage(
            sid=record["sid"],
            sender=record["from"],
            recipient=record["to"],
            direction=_direction(record["direction"]),
            text=record.get("body") or "",
            at=at,
            media=int(record.get("num_media") or 0),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MessageLogError("a message in the list has another form than Twilio's", retryable=False) from error


def _direction(named: str) -> Direction:
    # Twilio also knows outbound-call: sent on somebody's account all the same.
    return Direction(named) if named in set(Direction) else Direction.SENT
