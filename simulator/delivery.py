"""Delivers the owner's messages to the bot by Twilio's rules: signed, repeated, at last to the fallback URL."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

import requests
from requests.adapters import HTTPAdapter

from simulator import twiml
from simulator.background import Sleep
from simulator.events import EventLog, Kind
from simulator.faults import FaultSwitch, Redelivery
from simulator.logs import log
from simulator.messages import InboundMessage
from simulator.outbox import Outbox, Outgoing
from simulator.settings import Settings
from simulator.signature import sign

_WEBHOOK = "/webhook"
_FALLBACK = "/webhook/fallback"
_PAUSE_SECONDS = 0.5
_CONNECTIONS = 64
_NOT_TWILIO = "0" * 32


class Signature(StrEnum):
    """Whose hand a delivery is signed with; ``wrong`` and ``missing`` are somebody who is not Twilio."""

    VALID = "valid"
    WRONG = "wrong"
    MISSING = "missing"


class Failure(StrEnum):
    """Why an attempt brought no TwiML; the values are those of ``rp`` in Twilio's connection overrides."""

    CONNECT = "ct"
    READ_TIMEOUT = "rt"
    SERVER_ERROR = "5xx"
    CLIENT_ERROR = "4xx"
    BAD_ANSWER = "twiml"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one POST to the bot."""

    status: int | None
    note: str
    failure: Failure | None = None
    error_code: int = 11200
    replies: tuple[twiml.TwimlMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One POST to make: what, where to, and with whose signature."""

    message: InboundMessage
    path: str
    form: dict[str, str]
    signature: Signature


class Delivery:
    """Carries messages to the bot and its TwiML answers back to the phone."""

    def __init__(
        self, settings: Settings, events: EventLog, faults: FaultSwitch, outbox: Outbox, *, sleep: Sleep = time.sleep
    ) -> None:
        self._settings = settings
        self._events = events
        self._faults = faults
        self._outbox = outbox
        self._sleep = sleep
        self._in_hand: Counter[str] = Counter()
        self._in_hand_lock = threading.Lock()
        self._http = requests.Session()
        # Repeats are Twilio's rules below, never the HTTP library's own.
        self._http.mount("http://", HTTPAdapter(pool_maxsize=_CONNECTIONS, max_retries=0))
        self._http.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS, max_retries=0))

    def deliver(self, message: InboundMessage, signature: Signature = Signature.VALID) -> None:
        """Deliver a message once, with all the attempts that this takes, and show what the bot replies."""
        self._tell_status(message, "delivered")
        self._take_in_hand(message.person)
        try:
            attempt = self._attempts(message, signature)
        finally:
            self._lay_aside(message.person)
        for reply in attempt.replies:
            self._outbox.send(Outgoing(message.address, reply.body, reply.status_callback, message.sid))
        self._tell_status(message, "failed" if attempt.failure else "read")

    def _attempts(self, message: InboundMessage, signature: Signature) -> Attempt:
        request = Request(message, _WEBHOOK, message.form, signature)
        if signature is not Signature.VALID:
            return self._attempt(request, 1, self._settings.webhook_overrides.total_seconds)
        attempt, made = self._repeat(request)
        if attempt.failure is None:
            return attempt
        error = {"ErrorCode": str(attempt.error_code), "ErrorUrl": self._settings.public_base_url + _WEBHOOK}
        fallback = Request(message, _FALLBACK, message.form | error, signature)
        return self._attempt(fallback, made + 1, self._settings.webhook_overrides.total_seconds)

    def _repeat(self, request: Request) -> tuple[Attempt, int]:
        """Try until there is an answer, a failure that is not to be repeated, or no time left; counts the attempts."""
        overrides = self._settings.webhook_overrides
        deadline = time.monotonic() + overrides.total_seconds
        number = 1
        while True:
            attempt = self._attempt(request, number, deadline - time.monotonic())
            over = number > overrides.retries or deadline - time.monotonic() <= _PAUSE_SECONDS
            if attempt.failure is None or attempt.failure not in overrides.repeated or over:
                return attempt, number
            self._sleep(_PAUSE_SECONDS)
            number += 1

    def _attempt(self, request: Request, number: int, seconds_left: float) -> Attempt:
        started = time.monotonic()
        attempt = self._post(request, seconds_left)
        if number == 1 and attempt.failure is None and self._faults.now.redeliver is Redelivery.LOST_ANSWER:
            attempt = Attempt(attempt.status, "the bot answered, but the answer was lost", Failure.READ_TIMEOUT)
        duration_ms = round((time.monotonic() - started) * 1000)
        self._events.append(
            Kind.WEBHOOK,
            request.message.person,
            message_sid=request.message.sid,
            attempt=number,
            path=request.path,
            status=attempt.status,
            duration_ms=duration_ms,
            note=attempt.note,
        )
        log("webhook", path=request.path, attempt=number, status=attempt.status, ms=duration_ms, note=attempt.note)
        return attempt

    def _post(self, request: Request, seconds_left: float) -> Attempt:
        overrides = self._settings.webhook_overrides
        read_seconds = min(overrides.read_seconds, seconds_left)
        try:
            answer = self._http.post(
                self._settings.bot_url + request.path,
                data=request.form,
                headers=self._headers(request),
                timeout=(min(overrides.connect_seconds, seconds_left), read_seconds),
                allow_redirects=False,
            )
        except requests.ReadTimeout:
            return Attempt(None, f"the bot did not answer within {read_seconds:.0f} s", Failure.READ_TIMEOUT)
        except requests.ConnectionError:
            return Attempt(None, "no connection to the bot", Failure.CONNECT, 11205)
        return _judge(answer)

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "I-Twilio-Idempotency-Token": request.message.idempotency_token,
            "User-Agent": "TwilioProxy/1.1",
        }
        if request.signature is not Signature.MISSING:
            forged = request.signature is Signature.WRONG
            token = _NOT_TWILIO if forged else self._settings.auth_tokens[0]
            headers["X-Twilio-Signature"] = sign(self._settings.public_base_url + request.path, request.form, token)
        return headers

    def _take_in_hand(self, person: str) -> None:
        with self._in_hand_lock:
            self._in_hand[person] += 1
            if self._in_hand[person] == 1:
                self._events.append(Kind.TYPING, person, on=True)

    def _lay_aside(self, person: str) -> None:
        with self._in_hand_lock:
            self._in_hand[person] -= 1
            if self._in_hand[person] == 0:
                del self._in_hand[person]
                self._events.append(Kind.TYPING, person, on=False)

    def _tell_status(self, message: InboundMessage, status: str) -> None:
        self._events.append(Kind.STATUS, message.person, message_sid=message.sid, status=status)


def _judge(answer: requests.Response) -> Attempt:
    status = answer.status_code
    if status >= 500:
        return Attempt(status, f"the bot failed ({status})", Failure.SERVER_ERROR)
    if status == 403:
        return Attempt(status, "the bot refused the signature", Failure.CLIENT_ERROR)
    if status >= 300:
        return Attempt(status, f"the bot refused the message ({status})", Failure.CLIENT_ERROR)
    try:
        messages = twiml.parse(answer.headers.get("Content-Type", ""), answer.content)
    except twiml.TwimlError as error:
        return Attempt(status, f"{error} (Twilio's error {error.code})", Failure.BAD_ANSWER, error.code)
    replies = tuple(message for message in messages if message.can_be_sent)
    dropped = len(messages) - len(replies)
    note = f"answered with {len(messages)} message{'' if len(messages) == 1 else 's'}"
    if dropped:
        note += f"; Twilio drops {dropped}: empty (14103) or over {twiml.MESSAGE_MAX_LENGTH} characters (21617)"
    return Attempt(status, note, replies=replies)
