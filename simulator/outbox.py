"""What the bot sends to the phone: shown in the chat, and followed by its status callbacks."""

from __future__ import annotations

import time
from dataclasses import dataclass

import requests

from simulator.background import Background, Sleep, in_background
from simulator.events import EventLog, Kind
from simulator.logs import log
from simulator.messages import API_VERSION, MessageStore, OutboundMessage
from simulator.settings import Settings
from simulator.signature import real_address, sign, without_fragment

_PAUSE_SECONDS = 0.2
_CALLBACK_SECONDS = 15.0
# "queued" is the status that a message is born with.
_LATER_STATUSES = ("sent", "delivered", "read")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way to the phone; ``in_reply_to`` is the owner's message that it answers, if any."""

    person: str
    body: str
    status_callback: str | None = None
    in_reply_to: str | None = None


class Outbox:
    """Takes the bot's messages from TwiML and from the REST API."""

    def __init__(
        self,
        settings: Settings,
        messages: MessageStore,
        events: EventLog,
        *,
        run: Background = in_background,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._settings = settings
        self._messages = messages
        self._events = events
        self._run = run
        self._sleep = sleep
        self._http = requests.Session()

    def send(self, outgoing: Outgoing) -> OutboundMessage:
        """Show the message on the phone; its statuses follow in the background."""
        message = self._messages.put_out(outgoing.person, outgoing.body)
        self._events.append(
            Kind.REPLY,
            message.person,
            message_sid=message.sid,
            text=message.body,
            in_reply_to=outgoing.in_reply_to,
        )
        self._run(lambda: self._report(message, outgoing.status_callback))
        return message

    def _report(self, message: OutboundMessage, callback: str | None) -> None:
        self._tell(message, message.status, callback)
        for status in _LATER_STATUSES:
            self._sleep(_PAUSE_SECONDS)
            self._messages.set_status(message.sid, status)
            self._tell(message, status, callback)

    def _tell(self, message: OutboundMessage, status: str, callback: str | None) -> None:
        self._events.append(Kind.STATUS, message.person, message_sid=message.sid, status=status)
        if callback:
            self._call_back(without_fragment(callback), self._callback_form(message, status))

    def _callback_form(self, message: OutboundMessage, status: str) -> dict[str, str]:
        form = {
            "AccountSid": self._settings.account_sid,
            "ApiVersion": API_VERSION,
            "ChannelPrefix": "whatsapp",
            "ChannelToAddress": message.person.removeprefix("whatsapp:"),
            "From": self._settings.whatsapp_number,
            "To": message.person,
            "MessageSid": message.sid,
            "MessageStatus": status,
            "SmsSid": message.sid,
            "SmsStatus": status,
        }
        return form | ({"EventType": "READ"} if status == "read" else {})

    def _call_back(self, url: str, form: dict[str, str]) -> None:
        signature = sign(url, form, self._settings.auth_tokens[0])
        try:
            answer = self._http.post(
                real_address(url, self._settings),
                data=form,
                headers={"X-Twilio-Signature": signature, "User-Agent": "TwilioProxy/1.1"},
                timeout=_CALLBACK_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            log("status_callback", status=form["MessageStatus"], error=type(error).__name__)
            return
        log("status_callback", status=form["MessageStatus"], answer=answer.status_code)
