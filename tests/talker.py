"""Talks to the bot as an owner does, over signed webhooks, and says what it expects."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from typing import Any, Self

from flask import Flask
from flask.testing import FlaskClient
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

from tests.inside import identities_of, store_of
from tests.settings import ENVIRONMENT

OWNER = "whatsapp:+919876543210"
_sids = itertools.count(1)


def new_sid() -> str:
    """A MessageSid that no other message of this run has."""
    return f"SM{next(_sids):032x}"


def signature(url: str, form: dict[str, Any], token: str = ENVIRONMENT["TWILIO_AUTH_TOKEN"]) -> str:
    """What Twilio sends as ``X-Twilio-Signature``."""
    return str(RequestValidator(token).compute_signature(url, form))


def webhook_form(text: str = "", sender: str = OWNER, sid: str | None = None, **fields: str) -> dict[str, str]:
    """The form of an inbound WhatsApp message."""
    return {
        "MessageSid": sid or new_sid(),
        "AccountSid": ENVIRONMENT["TWILIO_ACCOUNT_SID"],
        "From": sender,
        "To": "whatsapp:+14155238886",
        "Body": text,
        "NumMedia": "0",
        "MessageType": "text",
    } | fields


def post_signed(client: FlaskClient, form: dict[str, Any], path: str = "/webhook") -> TestResponse:
    """Deliver a webhook as Twilio does."""
    url = ENVIRONMENT["PUBLIC_BASE_URL"] + path
    return client.post(path, data=form, headers={"X-Twilio-Signature": signature(url, form)})


def message_in(response: TestResponse) -> str:
    """The one message of a TwiML answer."""
    messages = ET.fromstring(response.get_data(as_text=True)).findall("Message")
    assert len(messages) == 1, "a reply is one message"
    body = messages[0].find("Body")
    return (body.text if body is not None else messages[0].text) or ""


@dataclass
class Talker:
    """One owner. Every ``says`` is a webhook; ``reply`` is what came back last.

    With a ``user_id`` (``IN.1349``) every message carries it, as Twilio's do; ``hides_number`` leaves that as ``From``.
    """

    app: Flask
    sender: str = OWNER
    user_id: str = ""
    hides_number: bool = False
    reply: str = ""
    sid: str = ""

    def says(self, text: str, sid: str | None = None, **fields: str) -> Self:
        """Send a text, or with ``sid`` the same message once more."""
        self.sid = sid or new_sid()
        given = {"ExternalUserId": f"whatsapp:{self.user_id}"} if self.user_id else {}
        sender = f"whatsapp:{self.user_id}" if self.hides_number else self.sender
        response = post_signed(self.app.test_client(), webhook_form(text, sender, self.sid, **given | fields))
        assert response.status_code == 200, response.get_data(as_text=True)
        self.reply = message_in(response)
        assert len(self.reply) <= 1600
        return self

    def sends(self, kind: str) -> Self:
        """Send something that is not text, by WhatsApp's name for it."""
        media = {} if kind in {"location", "contacts"} else {"NumMedia": "1", "MediaUrl0": "https://api.twilio.com/x"}
        return self.says("", MessageType=kind, **media)

    def says_all(self, *texts: str) -> Self:
        """Send one text after the other."""
        for text in texts:
            self.says(text)
        return self

    def answers_everything(self) -> Self:
        """From the first Hi to the summary."""
        return self.says_all("Hi", "Asha Devi", "7", "560001", "98765 43210").expects_step("confirmation")

    @property
    def stored(self) -> Any:
        """What the store holds of this person."""
        addresses = [self.sender, *([f"whatsapp:{self.user_id}"] if self.user_id else [])]
        return identities_of(self.app).peek(addresses[-1:] if self.hides_number else addresses)

    def hiding_the_number(self) -> Self:
        """The same owner, whose messages come from the user id from now on."""
        return replace(self, hides_number=True)

    def showing_the_number(self) -> Self:
        """The same owner, whose messages come from the phone number from now on."""
        return replace(self, hides_number=False)

    @property
    def store(self) -> Any:
        """The bot's own store."""
        return store_of(self.app)

    def expects_step(self, step: str) -> Self:
        """The session stands at ``step``."""
        session = self.stored.session
        assert session is not None
        assert session.current_step == step, f"{session.current_step}, not {step}: {self.reply}"
        return self

    def expects_data(self, **answers: str) -> Self:
        """The session holds exactly these answers."""
        assert dict(self.stored.session.data) == answers
        return self

    def hears(self, *fragments: str) -> Self:
        """The last reply contains every fragment."""
        assert fragments
        for fragment in fragments:
            assert fragment in self.reply, f"{fragment!r} is not in {self.reply!r}"
        return self

    def does_not_hear(self, *fragments: str) -> Self:
        """The last reply contains none of the fragments."""
        assert fragments
        for fragment in fragments:
            assert fragment not in self.reply, f"{fragment!r} is in {self.reply!r}"
        return self
