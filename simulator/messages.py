"""The messages that pass through Twilio: the owner's, as the bot gets them, and the bot's, with their status."""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import dataclass
from enum import StrEnum

from simulator.clock import Clock, iso
from simulator.database import Database
from simulator.settings import Settings

API_VERSION = "2010-04-01"


class InboundType(StrEnum):
    """What an owner can send."""

    TEXT = "text"
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
_MUMBAI_MARKET = {"Latitude": "18.9477", "Longitude": "72.8342", "Address": "Crawford Market, Mumbai 400001"}


@dataclass(frozen=True, slots=True)
class Draft:
    """What the owner has written or recorded, before Twilio has it."""

    person: str
    type: InboundType
    text: str
    profile_name: str


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A message of the owner as Twilio delivers it, however often."""

    sid: str
    person: str
    idempotency_token: str
    form: dict[str, str]


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """A message of the bot and how far it has come."""

    sid: str
    person: str
    body: str
    status: str
    created_at: str
    updated_at: str


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

    def take_in(self, draft: Draft) -> InboundMessage:
        """Give the owner's message its SID and the form that every delivery of it will carry."""
        sid = new_sid("SM")
        form = self._envelope(sid, draft) | self._content(sid, draft)
        message = InboundMessage(sid, draft.person, secrets.token_hex(16), form)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO inbound_messages (sid, person, idempotency_token, form) VALUES (?, ?, ?, ?)",
                (message.sid, message.person, message.idempotency_token, json.dumps(form)),
            )
            connection.execute(
                "INSERT INTO people (person, profile_name, last_message_at) VALUES (?, ?, ?) ON CONFLICT (person)"
                " DO UPDATE SET profile_name = excluded.profile_name, last_message_at = excluded.last_message_at",
                (draft.person, draft.profile_name, iso(self._clock())),
            )
        return message

    def inbound(self, sid: str) -> InboundMessage | None:
        row = self._database.row("SELECT * FROM inbound_messages WHERE sid = ?", sid)
        if row is None:
            return None
        return InboundMessage(row["sid"], row["person"], row["idempotency_token"], json.loads(row["form"]))

    def put_out(self, person: str, body: str) -> OutboundMessage:
        """Accept a message of the bot; it is queued."""
        now = iso(self._clock())
        message = OutboundMessage(new_sid("SM"), person, body, "queued", now, now)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO outbound_messages (sid, person, body, status, created_at, updated_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (message.sid, person, body, message.status, now, now),
            )
        return message

    def set_status(self, sid: str, status: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE outbound_messages SET status = ?, updated_at = ? WHERE sid = ?",
                (status, iso(self._clock()), sid),
            )

    def outbound(self, sid: str) -> OutboundMessage | None:
        row = self._database.row("SELECT * FROM outbound_messages WHERE sid = ?", sid)
        return OutboundMessage(**dict(row)) if row else None

    def people(self) -> list[Person]:
        """Everybody who has written, the latest first."""
        return [_person(row) for row in self._database.rows("SELECT * FROM people ORDER BY last_message_at DESC")]

    def person(self, address: str) -> Person | None:
        row = self._database.row("SELECT * FROM people WHERE person = ?", address)
        return _person(row) if row else None

    def _envelope(self, sid: str, draft: Draft) -> dict[str, str]:
        form = {
            "MessageSid": sid,
            "SmsSid": sid,
            "SmsMessageSid": sid,
            "SmsStatus": "received",
            "AccountSid": self._settings.account_sid,
            "ApiVersion": API_VERSION,
            "From": draft.person,
            "To": self._settings.whatsapp_number,
            "NumSegments": "1",
            "MessageType": draft.type,
        }
        if draft.profile_name:
            form["ProfileName"] = draft.profile_name
        address = draft.person.removeprefix("whatsapp:")
        # Somebody who hides the number has an id instead, and nothing in the form is a phone number.
        hidden = not address.startswith("+")
        return form | ({"ExternalUserId": address} if hidden else {"WaId": address.removeprefix("+")})

    def _content(self, sid: str, draft: Draft) -> dict[str, str]:
        if draft.type is InboundType.LOCATION:
            label = {"Label": draft.text} if draft.text else {}
            return {"Body": "", "NumMedia": "0"} | _MUMBAI_MARKET | label
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


def _person(row: sqlite3.Row) -> Person:
    return Person(row["person"], row["profile_name"], row["last_message_at"])
