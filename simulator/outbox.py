"""What the bot sends to the phone: shown in the chat, and followed by its status callbacks."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from functools import partial

from simulator.addresses import CHANNEL
from simulator.background import Background, Sleep, Work, in_background
from simulator.callbacks import CallbackPost
from simulator.content import Button
from simulator.events import EventLog, Kind
from simulator.faults import Callbacks, FaultSwitch, Switch
from simulator.messages import API_VERSION, MessageStore, OutboundMessage
from simulator.phones import Phones
from simulator.send_rules import CallbackFault
from simulator.settings import Settings
from simulator.twilio_errors import sentence_of

_PAUSE_SECONDS = 0.2
_LATEST_REPEAT_SECONDS = 1.0
# "queued" is the status that a message is born with.
_STATUSES = ("queued", "sent", "delivered", "read")
_NOBODYS_ADDRESS = CallbackFault("undelivered", 63003)
_STATUSES_BEFORE_FAILURE = {"failed": ("queued",), "undelivered": ("queued", "sent")}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way to the phone.

    ``in_reply_to`` is the owner's message that it answers, if any; with a ``failure`` it never arrives, unless that has
    a ``then``.
    """

    address: str
    body: str
    status_callback: str | None = None
    in_reply_to: str | None = None
    failure: CallbackFault | None = None
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Journey:
    """A message between Twilio and the phone: what becomes of it, and who is told how."""

    message: OutboundMessage
    failure: CallbackFault | None
    callback: str | None
    manner: Callbacks
    recorded: bool

    @property
    def statuses(self) -> tuple[str, ...]:
        if self.failure is None:
            return _STATUSES
        return (*_STATUSES_BEFORE_FAILURE[self.failure.status], self.failure.status, *self.failure.then)

    def error_code(self, status: str) -> int | None:
        return self.failure.code if self.failure and status == self.failure.status else None


class Outbox:
    """Takes the bot's messages from TwiML and from the REST API."""

    def __init__(
        self,
        settings: Settings,
        messages: MessageStore,
        phones: Phones,
        events: EventLog,
        faults: FaultSwitch,
        callbacks: CallbackPost,
        *,
        run: Background = in_background,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._settings = settings
        self._messages = messages
        self._phones = phones
        self._events = events
        self._faults = faults
        self._callbacks = callbacks
        self._run = run
        self._sleep = sleep
        self._under_way = 0
        self._under_way_lock = threading.Lock()

    @property
    def under_way(self) -> int:
        """How many messages have statuses or callbacks still to come."""
        return self._under_way

    def send(self, outgoing: Outgoing) -> OutboundMessage:
        """Show the message on the phone of whoever has the address now; its statuses follow in the background."""
        faults = self._faults.now
        recorded = faults.record_events is Switch.ON
        keep = self._messages.put_out if recorded else self._messages.draft_out
        holder = self._phones.holder(outgoing.address)
        failure = outgoing.failure if holder.is_present else outgoing.failure or _NOBODYS_ADDRESS
        is_reply = outgoing.in_reply_to is not None
        message = keep(holder.person, outgoing.address, outgoing.body, is_reply=is_reply)
        if recorded and (failure is None or failure.then):
            self._show(message, outgoing)
        callback = None if faults.callbacks is Callbacks.OFF else outgoing.status_callback
        # A bulk message that nobody asks after costs nothing more.
        if recorded or callback:
            journey = Journey(message, failure, callback, faults.callbacks, recorded)
            self._start(partial(self._travel, journey))
        return message

    def _start(self, work: Work) -> None:
        with self._under_way_lock:
            self._under_way += 1

        def counted() -> None:
            try:
                work()
            finally:
                with self._under_way_lock:
                    self._under_way -= 1

        self._run(counted)

    def _show(self, message: OutboundMessage, outgoing: Outgoing) -> None:
        buttons = [{"id": button.id, "title": button.title} for button in outgoing.buttons]
        self._events.append(
            Kind.REPLY,
            message.person,
            message_sid=message.sid,
            text=message.body,
            in_reply_to=outgoing.in_reply_to,
            **({"buttons": buttons} if buttons else {}),
        )

    def _travel(self, journey: Journey) -> None:
        for number, status in enumerate(journey.statuses):
            if number:
                self._sleep(_PAUSE_SECONDS)
            if journey.recorded:
                self._record(journey, status)
            if journey.manner is not Callbacks.SHUFFLED:
                self._tell(journey, status)
        if journey.manner is Callbacks.SHUFFLED:
            for status in _out_of_order(journey.statuses):
                self._call_back(journey, status)

    def _tell(self, journey: Journey, status: str) -> None:
        if journey.manner is Callbacks.DELAYED:
            self._sleep(random.uniform(0, self._faults.now.callback_delay_ms / 1000))
        self._call_back(journey, status)
        if journey.manner is Callbacks.REPEATED and journey.callback:
            self._start(partial(self._repeat, journey, status))

    def _repeat(self, journey: Journey, status: str) -> None:
        # Late enough to come behind the statuses that follow.
        self._sleep(random.uniform(0, _LATEST_REPEAT_SECONDS))
        self._call_back(journey, status)

    def _record(self, journey: Journey, status: str) -> None:
        message, error_code = journey.message, journey.error_code(status)
        if status != message.status:
            self._messages.set_status(message.sid, status, error_code)
        error = {} if error_code is None else {"error_code": error_code}
        self._events.append(Kind.STATUS, message.person, message_sid=message.sid, status=status, **error)

    def _call_back(self, journey: Journey, status: str) -> None:
        if journey.callback:
            self._callbacks.post(journey.callback, self._callback_form(journey, status))

    def _callback_form(self, journey: Journey, status: str) -> dict[str, str]:
        message, error_code = journey.message, journey.error_code(status)
        form = {
            "AccountSid": self._settings.account_sid,
            "ApiVersion": API_VERSION,
            "ChannelPrefix": "whatsapp",
            "ChannelToAddress": message.address.removeprefix(CHANNEL),
            "From": self._settings.whatsapp_number,
            "To": message.address,
            "MessageSid": message.sid,
            "MessageStatus": status,
            "SmsSid": message.sid,
            "SmsStatus": status,
        }
        if error_code is not None:
            form |= {"ErrorCode": str(error_code), "ErrorMessage": sentence_of(error_code)}
        return form | ({"EventType": "READ"} if status == "read" else {})


def _out_of_order(statuses: tuple[str, ...]) -> list[str]:
    """Some other order than the right one."""
    shuffled = random.sample(statuses, len(statuses))
    return shuffled if shuffled != list(statuses) else shuffled[::-1]
