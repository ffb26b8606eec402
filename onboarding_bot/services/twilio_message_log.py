"""Twilio's own record of the account's messages, inbound and outbound: list them, and delete them with their media.

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

from onboarding_bot.errors import BotError
from onboarding_bot.services.transport import (
    SERVER_ERRORS,
    TOO_MANY_REQUESTS,
    Answer,
    NoAnswer,
    RetryPolicy,
    TimeLimits,
    Transport,
)

PAGE_SIZE = 1000
# A page of so many messages, each as long as WhatsApp allows, has some 7 MB.
LARGEST_BODY = 16 * 1024 * 1024
MOST_TRIES = 5
# Reading and deleting do no harm twice. Five tries that all time out, and the longest pauses between them, end in time.
LIMITS = TimeLimits(connect=3.0, read=20.0, deadline=240.0)
RETRIES = RetryPolicy(
    most_tries=MOST_TRIES,
    statuses=frozenset({TOO_MANY_REQUESTS, *SERVER_ERRORS}),
    after_uncertain=True,
    growth=2.0,
    longest_pause=30.0,
)
_DELETED = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND})
# A message that is still on its way cannot be deleted (error 20009).
_NOT_YET = HTTPStatus.CONFLICT


class MessageLogError(BotError):
    """A request for messages failed; the message is one plain line, without any secret or number."""

    code = "message_log.failed"


class Direction(StrEnum):
    """Which way a message went: from a person, to one as TwiML (REPLY), or to one through the REST API (SENT)."""

    INBOUND = "inbound"
    REPLY = "outbound-reply"
    SENT = "outbound-api"


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """One message in Twilio's record; ``at`` is UTC and exact to the second, ``media`` counts attachments."""

    sid: str
    sender: str
    recipient: str
    direction: Direction
    text: str
    at: datetime
    media: int


class MessageLog:
    """The client. Every method raises MessageLogError when retries did not help."""

    def __init__(
        self,
        api_base_url: str,
        account_sid: str,
        auth_token: str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base = api_base_url
        self._messages = f"{api_base_url}/2010-04-01/Accounts/{account_sid}/Messages"
        self._transport = Transport(
            "twilio_message_log",
            LIMITS,
            RETRIES,
            auth=(account_sid, auth_token),
            largest_body=LARGEST_BODY,
            clock=clock,
            sleep=sleep,
        )

    def messages(
        self, *, sender: str | None = None, recipient: str | None = None, since: datetime | None = None
    ) -> Iterator[LoggedMessage]:
        """Messages from ``sender``, to ``recipient``, not older than ``since``; the latest first, as Twilio lists them.

        Each page is requested when it is needed.
        """
        asked = {"From": sender, "To": recipient, "DateSent>": since and f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        url: str | None = (
            f"{self._messages}.json?{urlencode({k: v for k, v in asked.items() if v} | {'PageSize': PAGE_SIZE})}"
        )
        while url:
            page = _content(self._ask("GET", url))
            for record in _records(page, "messages"):
                message = _message(record)
                # Twilio does not document whether it filters by the moment or by its day.
                if message and (since is None or message.at >= since.replace(microsecond=0)):
                    yield message
            url = self._following(page)

    def delete(self, message: LoggedMessage) -> bool:
        """Delete a message with its media, if it still exists. False while Twilio is still sending it."""
        own = f"{self._messages}/{message.sid}"
        return (not message.media or self._delete_media(own)) and self._delete(f"{own}.json")

    def _delete_media(self, message_url: str) -> bool:
        """Delete a message's media. A medium of several messages stays until it is deleted on each of them."""
        answer = self._ask("GET", f"{message_url}/Media.json?{urlencode({'PageSize': PAGE_SIZE})}", _DELETED)
        if answer.status != HTTPStatus.OK:
            return True
        media = _records(_content(answer), "media_list")
        return all(self._delete(f"{message_url}/Media/{medium.get('sid')}.json") for medium in media)

    def _delete(self, url: str) -> bool:
        return self._ask("DELETE", url, _DELETED | {_NOT_YET}).status != _NOT_YET

    def _following(self, page: Mapping[str, Any]) -> str | None:
        """The next page, at the configured host: credentials go to no other, not even if an answer names one."""
        path = page.get("next_page_uri")
        if not path:
            return None
        if not isinstance(path, str) or not path.startswith("/"):
            raise MessageLogError("Twilio names a next page that is not its own")
        return self._base + path

    def _ask(self, method: str, url: str, besides_ok: frozenset[HTTPStatus] = frozenset()) -> Answer:
        """The answer, with status 200 or one ``besides_ok``."""
        ending = self._transport.call(method, url).ending
        if isinstance(ending, NoAnswer):
            raise MessageLogError(f"Twilio cannot be reached ({ending.reason})")
        if ending.status in besides_ok | {HTTPStatus.OK}:
            return ending
        if ending.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise MessageLogError("Twilio refuses the credentials: look at TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN")
        raise MessageLogError(f"Twilio answered {ending.status} about its messages")


def _content(answer: Answer) -> Mapping[str, Any]:
    page = answer.json()
    if page is None:
        raise MessageLogError("Twilio answered no JSON")
    return page if isinstance(page, dict) else {}


def _records(page: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    records = page.get(name)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise MessageLogError(f"the list of {name} has another form than Twilio's")
    return records


def _message(record: Mapping[str, Any]) -> LoggedMessage | None:
    """The message in a record; None for one that Twilio has not begun to send, and which has no time yet."""
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
        raise MessageLogError("a message in the list has another form than Twilio's") from error


def _direction(named: str) -> Direction:
    # Twilio also has outbound-call, and may add others: all are outbound.
    return Direction(named) if named in set(Direction) else Direction.SENT
