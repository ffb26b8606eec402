"""The messages that pass through Twilio: the owner's, as the bot gets them, and the bot's, with their status."""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from simulator.addresses import CHANNEL, is_number
from simulator.clock import Clock, iso
from simulator.database import Database
from simulator.phones import Phone
from simulator.settings import Settings

API_VERSION = "2010-04-01"
# Before and behind every moment as the rows write them.
EARLIEST, LATEST = "0", "9"


class InboundType(StrEnum):
    """What an owner can send."""

    TEXT = "text"
    BUTTON = "button"
    AUDIO = "audio"
    IMAGE = "image"
    LOCATION = "location"
    STICKER = "sticker"
    CONTACTS = "contacts"


# A location is no media for Twilio: it comes as fields of its own.
_MEDIA_TYPES = {
    InboundType.AUDIO: "audio/ogg",
    InboundType.IMAGE: "image/jpeg",
    InboundType.STICKER: "image/webp",
    InboundType.CONTACTS: "text/vcard",
}
_WINDOW = timedelta(hours=24)
_MUMBAI_MARKET = {"Latitude": "18.9477", "Longitude": "72.8342", "Address": "Crawford Market, Mumbai 400001"}


@dataclass(frozen=True, slots=True)
class Draft:
    """What the owner has written or recorded, before Twilio has it."""

    phone: Phone
    type: InboundType
    text: str
    profile_name: str
    button_payload: str = ""


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A message of the owner as Twilio delivers it, however often; ``address`` is its ``From``."""

    sid: str
    person: str
    address: str
    idempotency_token: str
    form: dict[str, str]
    created_at: str


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """A message of the bot and how far it has come; a reply came as TwiML, ``address`` is its ``To``."""

    sid: str
    person: str
    address: str
    body: str
    status: str
    created_at: str
    updated_at: str
    error_code: int | None = None
    is_reply: bool = False


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """A message of either direction as Twilio's list has it."""

    message: OutboundMessage
    inbound: bool
    num_media: int


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages to list: moments are ISO 8601 like those of the rows, ``until`` is the first that is too late."""

    address: str | None = None
    inbound: bool | None = None
    since: str = EARLIEST
    until: str = LATEST


@dataclass(frozen=True, slots=True)
class Media:
    """One attachment of a message of the owner."""

    sid: str
    content_type: str
    message: InboundMessage


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has written."""

    person: str
    profile_name: str
    last_message_at: str


class MessageStore:
    """Keeps the messages and who wrote them."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock

    def take_in(self, draft: Draft, opt_out_type: str | None = None) -> InboundMessage:
        """Give the owner's message its SID and the form that every delivery of it will carry."""
        sid, now = new_sid("SM"), iso(self._clock())
        form = self._envelope(sid, draft) | self._content(sid, draft)
        if opt_out_type:
            form["OptOutType"] = opt_out_type
        person, address = draft.phone.person, draft.phone.address
        message = InboundMessage(sid, person, address, secrets.token_hex(16), form, now)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO inbound_messages (sid, person, address, idempotency_token, form, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (sid, person, address, message.idempotency_token, json.dumps(form), now),
            )
            connection.execute(
                "INSERT INTO people (person, profile_name, last_message_at) VALUES (?, ?, ?) ON CONFLICT (person)"
                " DO UPDATE SET profile_name = excluded.profile_name, last_message_at = excluded.last_message_at",
                (person, draft.profile_name, now),
            )
        return message

    def inbound(self, sid: str) -> InboundMessage | None:
        row = self._database.row("SELECT * FROM inbound_messages WHERE sid = ?", sid)
        return _inbound(row) if row else None

    def draft_out(self, person: str, address: str, body: str, *, is_reply: bool = False) -> OutboundMessage:
        """A message of the bot as it is when Twilio has accepted it; nothing keeps it yet."""
        now = iso(self._clock())
        return OutboundMessage(new_sid("SM"), person, address, body, "queued", now, now, is_reply=is_reply)

    def put_out(self, person: str, address: str, body: str, *, is_reply: bool = False) -> OutboundMessage:
        """Accept a message of the bot and keep it."""
        message = self.draft_out(person, address, body, is_reply=is_reply)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO outbound_messages (sid, person, address, body, status, created_at, updated_at, is_reply)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (message.sid, person, address, body, message.status, message.created_at, message.updated_at, is_reply),
            )
        return message

    def set_status(self, sid: str, status: str, error_code: int | None = None) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE outbound_messages SET status = ?, error_code = ?, updated_at = ? WHERE sid = ?",
                (status, error_code, iso(self._clock()), sid),
            )

    def outbound(self, sid: str) -> OutboundMessage | None:
        row = self._database.row("SELECT * FROM outbound_messages WHERE sid = ?", sid)
        return OutboundMessage(**dict(row)) if row else None

    def window_is_open(self, person: str) -> bool:
        """Whether this person has written within the last 24 hours."""
        known = self.person(person)
        return known is not None and known.last_message_at >= iso(self._clock() - _WINDOW)

    def find(self, sid: str) -> ListedMessage | None:
        """The message of either direction with this SID."""
        if (sent := self.outbound(sid)) is not None:
            return ListedMessage(sent, inbound=False, num_media=0)
        received = self.inbound(sid)
        return self._listed(received) if received else None

    def page(self, wanted: MessageFilter, offset: int, size: int) -> list[ListedMessage]:
        """Messages of both directions, the latest first."""
        query = (
            "SELECT sid, address, created_at, 0 AS inbound FROM outbound_messages UNION ALL"
            " SELECT sid, address, created_at, 1 AS inbound FROM inbound_messages"
        )
        rows = self._database.rows(
            f"SELECT sid FROM ({query}) WHERE (? IS NULL OR address = ?) AND (? IS NULL OR inbound = ?)"  # noqa: S608
            " AND created_at >= ? AND created_at < ? ORDER BY created_at DESC, sid LIMIT ? OFFSET ?",
            *(wanted.address, wanted.address, wanted.inbound, wanted.inbound, wanted.since, wanted.until),
            *(size, offset),
        )
        found = [self.find(row["sid"]) for row in rows]
        return [message for message in found if message is not None]

    def delete(self, sid: str) -> bool:
        """Whether there was such a message; there is none now."""
        with self._database.transaction() as connection:
            gone = [
                connection.execute(f"DELETE FROM {table} WHERE sid = ?", (sid,)).rowcount  # noqa: S608 - our own names
                for table in ("outbound_messages", "inbound_messages")
            ]
        return any(gone)

    def media_of(self, sid: str) -> list[Media]:
        """What is attached to the message with this SID and has not been deleted."""
        message = self.inbound(sid)
        if message is None or "MediaUrl0" not in message.form:
            return []
        media_sid = message.form["MediaUrl0"].rpartition("/")[2]
        if self._database.row("SELECT sid FROM deleted_media WHERE sid = ?", media_sid):
            return []
        return [Media(media_sid, message.form["MediaContentType0"], message)]

    def delete_media(self, sid: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO deleted_media (sid) VALUES (?)", (sid,))

    def people(self) -> list[Person]:
        """Everybody who has written, the latest first."""
        return [_person(row) for row in self._database.rows("SELECT * FROM people ORDER BY last_message_at DESC")]

    def person(self, name: str) -> Person | None:
        row = self._database.row("SELECT * FROM people WHERE person = ?", name)
        return _person(row) if row else None

    def _listed(self, received: InboundMessage) -> ListedMessage:
        message = OutboundMessage(
            received.sid,
            received.person,
            received.address,
            received.form["Body"],
            "received",
            received.created_at,
            received.created_at,
        )
        return ListedMessage(message, inbound=True, num_media=len(self.media_of(received.sid)))

    def _envelope(self, sid: str, draft: Draft) -> dict[str, str]:
        form = {
            "MessageSid": sid,
            "SmsSid": sid,
            "SmsMessageSid": sid,
            "SmsStatus": "received",
            "AccountSid": self._settings.account_sid,
            "ApiVersion": API_VERSION,
            "From": draft.phone.address,
            "To": self._settings.whatsapp_number,
            "NumSegments": "1",
            "MessageType": draft.type,
            "ExternalUserId": draft.phone.user_id,
        }
        if draft.profile_name:
            form["ProfileName"] = draft.profile_name
        # Of somebody who hides the number nothing in the form is one.
        if is_number(draft.phone.address):
            form["WaId"] = draft.phone.address.removeprefix(f"{CHANNEL}+")
        return form

    def _content(self, sid: str, draft: Draft) -> dict[str, str]:
        if draft.type is InboundType.LOCATION:
            label = {"Label": draft.text} if draft.text else {}
            return {"Body": "", "NumMedia": "0"} | _MUMBAI_MARKET | label
        if draft.type is InboundType.BUTTON:
            button = {"ButtonText": draft.text, "ButtonPayload": draft.button_payload}
            return {"Body": draft.text, "NumMedia": "0"} | button
        if draft.type not in _MEDIA_TYPES:
            return {"Body": draft.text, "NumMedia": "0"}
        media = f"/{API_VERSION}/Accounts/{self._settings.account_sid}/Messages/{sid}/Media/{new_sid('ME')}"
        return {
            "Body": draft.text,
            "NumMedia": "1",
            "MediaUrl0": self._settings.public_url + media,
            "MediaContentType0": _MEDIA_TYPES[draft.type],
        }


def new_sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


def _inbound(row: sqlite3.Row) -> InboundMessage:
    form = json.loads(row["form"])
    return InboundMessage(row["sid"], row["person"], row["address"], row["idempotency_token"], form, row["created_at"])


def _person(row: sqlite3.Row) -> Person:
    return Person(row["person"], row["profile_name"], row["last_message_at"])
