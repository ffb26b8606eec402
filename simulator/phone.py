"""The owner's phone: the chat page, and the control API behind it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NoReturn

from flask import Blueprint, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from simulator.background import Background, Sleep
from simulator.delivery import Delivery, Signature
from simulator.events import EventLog, Kind
from simulator.faults import FaultSwitch, Redelivery
from simulator.messages import Draft, InboundMessage, InboundType, MessageStore
from simulator.transcript import transcript
from simulator.twiml import MESSAGE_MAX_LENGTH

_ADDRESS = re.compile(r"whatsapp:(\+[1-9][0-9]{6,14}|[A-Z]{2}\.[A-Za-z0-9_]{1,64})")
_MAX_COPIES = 50
_MAX_WAIT_MS = 600_000
_PROFILE_NAME_MAX_LENGTH = 80


class BadRequestError(Exception):
    """A request of the page that cannot be done, and why."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Plan:
    """How often and when a message is delivered, and by whom."""

    copies: int
    gap_seconds: float
    delay_seconds: float
    signature: Signature


class Postman:
    """Starts the deliveries that a plan asks for."""

    def __init__(self, delivery: Delivery, faults: FaultSwitch, run: Background, sleep: Sleep) -> None:
        self._delivery = delivery
        self._faults = faults
        self._run = run
        self._sleep = sleep

    def post(self, message: InboundMessage, plan: Plan) -> None:
        waits = [plan.delay_seconds + copy * plan.gap_seconds for copy in range(plan.copies)]
        if self._faults.now.redeliver is Redelivery.TWICE:
            waits += [wait + 1 for wait in waits]
        for wait in waits:
            self._run(partial(self._deliver, message, plan.signature, wait))

    def _deliver(self, message: InboundMessage, signature: Signature, wait: float) -> None:
        if wait:
            self._sleep(wait)
        self._delivery.deliver(message, signature)


def phone(messages: MessageStore, events: EventLog, faults: FaultSwitch, postman: Postman) -> Blueprint:
    blueprint = Blueprint("phone", __name__)

    @blueprint.errorhandler(BadRequestError)
    def answer_bad_request(error: BadRequestError) -> ResponseReturnValue:
        return jsonify(error=str(error)), error.status

    @blueprint.errorhandler(HTTPException)
    def answer_http_error(error: HTTPException) -> ResponseReturnValue:
        return jsonify(error=error.description), error.code or 500

    @blueprint.get("/")
    def chat() -> ResponseReturnValue:
        return render_template("chat.html")

    @blueprint.post("/sim/messages")
    def write() -> ResponseReturnValue:
        body = _json_object()
        plan = _plan(body)
        message = _sent_before(messages, body) if "message_sid" in body else _write(messages, events, body)
        postman.post(message, plan)
        return jsonify(message_sid=message.sid), 202

    @blueprint.get("/sim/events")
    def follow() -> ResponseReturnValue:
        after = request.headers.get("Last-Event-ID") or request.args.get("after") or "0"
        if not re.fullmatch(r"[0-9]{1,18}", after):
            _refuse("after must be the id of an event")
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return Response(events.stream(int(after)), mimetype="text/event-stream", headers=headers)

    @blueprint.get("/sim/people")
    def people() -> ResponseReturnValue:
        return jsonify(people=[asdict(person) for person in messages.people()])

    @blueprint.get("/sim/faults")
    def read_faults() -> ResponseReturnValue:
        return jsonify(faults.now.as_dict())

    @blueprint.put("/sim/faults")
    def change_faults() -> ResponseReturnValue:
        try:
            return jsonify(faults.change(_json_object()).as_dict())
        except ValueError as fault:
            raise BadRequestError(str(fault)) from None

    @blueprint.get("/sim/transcript")
    def save() -> ResponseReturnValue:
        address = request.args.get("person", "")
        person = messages.person(address)
        if person is None:
            raise BadRequestError("nobody with this address has written", 404)
        return jsonify(transcript(person.profile_name or "conversation", address, events.of_person(address)))

    return blueprint


def _write(messages: MessageStore, events: EventLog, body: dict[str, Any]) -> InboundMessage:
    draft = _draft(messages, body)
    message = messages.take_in(draft)
    events.append(
        Kind.INBOUND,
        draft.person,
        message_sid=message.sid,
        type=draft.type,
        text=draft.text,
        profile_name=draft.profile_name,
    )
    events.append(Kind.STATUS, draft.person, message_sid=message.sid, status="sent")
    return message


def _sent_before(messages: MessageStore, body: dict[str, Any]) -> InboundMessage:
    message = messages.inbound(_text(body, "message_sid", 64))
    if message is None:
        raise BadRequestError("there is no message with this message_sid", 404)
    return message


def _draft(messages: MessageStore, body: dict[str, Any]) -> Draft:
    address = _text(body, "from", 80)
    if not _ADDRESS.fullmatch(address):
        _refuse("from must look like whatsapp:+919876543210 or whatsapp:IN.1234")
    try:
        kind = InboundType(body.get("type", InboundType.TEXT))
    except ValueError:
        _refuse(f"type must be one of {', '.join(InboundType)}")
    text = _text(body, "text", MESSAGE_MAX_LENGTH)
    if kind is InboundType.TEXT and not text.strip():
        _refuse("text is empty")
    known = messages.person(address)
    name = _text(body, "profile_name", _PROFILE_NAME_MAX_LENGTH) or (known.profile_name if known else "")
    return Draft(address, kind, text, name)


def _plan(body: dict[str, Any]) -> Plan:
    try:
        signature = Signature(body.get("signature", Signature.VALID))
    except ValueError:
        _refuse(f"signature must be one of {', '.join(Signature)}")
    return Plan(
        copies=_number(body, "copies", 1, (1, _MAX_COPIES)),
        gap_seconds=_number(body, "gap_ms", 0, (0, _MAX_WAIT_MS)) / 1000,
        delay_seconds=_number(body, "delay_ms", 0, (0, _MAX_WAIT_MS)) / 1000,
        signature=signature,
    )


def _json_object() -> dict[str, Any]:
    # Another site's page can post a form here, but not JSON: the browser would ask first.
    if not request.is_json:
        raise BadRequestError("the body must be JSON, with the Content-Type application/json", 415)
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        _refuse("the body must be a JSON object")
    return body


def _text(body: dict[str, Any], name: str, max_length: int) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > max_length:
        _refuse(f"{name} must be a text of at most {max_length} characters")
    if any("\ud800" <= character <= "\udfff" for character in value):
        _refuse(f"{name} has half a character in it")
    return value


def _number(body: dict[str, Any], name: str, default: int, bounds: tuple[int, int]) -> int:
    value = body.get(name, default)
    if type(value) is not int or not bounds[0] <= value <= bounds[1]:
        _refuse(f"{name} must be a whole number from {bounds[0]} to {bounds[1]}")
    return value


def _refuse(reason: str) -> NoReturn:
    raise BadRequestError(reason)
