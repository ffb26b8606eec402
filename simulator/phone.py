"""The owner's phone: the chat page, and the control API behind it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from simulator.addresses import MAX_LENGTH, is_address
from simulator.background import Background, Sleep
from simulator.control import BadRequestError, answer_in_sentences, json_object, refuse
from simulator.delivery import Delivery, Signature
from simulator.events import EventLog, Kind
from simulator.faults import FaultSwitch, Redelivery, Switch
from simulator.messages import Draft, InboundMessage, InboundType, MessageStore
from simulator.opt_out import ANSWERS, OptOuts, OptOutType, opt_out_type
from simulator.outbox import Outbox, Outgoing
from simulator.phones import Phones
from simulator.transcript import transcript
from simulator.twiml import MESSAGE_MAX_LENGTH

_MAX_COPIES = 50
_MAX_WAIT_MS = 600_000
_PROFILE_NAME_MAX_LENGTH = 80
_PAYLOAD_MAX_LENGTH = 200


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


class OptOutDesk:
    """Twilio's own conversation with those who write a keyword, when Advanced Opt-Out is on."""

    def __init__(self, faults: FaultSwitch, opt_outs: OptOuts, outbox: Outbox) -> None:
        self._faults = faults
        self._opt_outs = opt_outs
        self._outbox = outbox

    def meaning(self, draft: Draft) -> OptOutType | None:
        if self._faults.now.advanced_opt_out is Switch.OFF or draft.type is not InboundType.TEXT:
            return None
        return opt_out_type(draft.text)

    def answer(self, address: str, meaning: OptOutType) -> None:
        self._opt_outs.note(address, meaning)
        self._outbox.send(Outgoing(address, ANSWERS[meaning]))


def phone(
    messages: MessageStore,
    phones: Phones,
    events: EventLog,
    faults: FaultSwitch,
    postman: Postman,
    opt_out_desk: OptOutDesk,
) -> Blueprint:
    blueprint = Blueprint("phone", __name__)
    answer_in_sentences(blueprint)

    @blueprint.get("/")
    def chat() -> ResponseReturnValue:
        return render_template("chat.html")

    @blueprint.post("/sim/messages")
    def write() -> ResponseReturnValue:
        body = json_object()
        plan = _plan(body)
        message = _sent_before(messages, body) if "message_sid" in body else _write(_draft(messages, phones, body))
        postman.post(message, plan)
        return jsonify(message_sid=message.sid), 202

    @blueprint.get("/sim/events")
    def follow() -> ResponseReturnValue:
        after = request.headers.get("Last-Event-ID") or request.args.get("after") or "0"
        if not re.fullmatch(r"[0-9]{1,18}", after):
            refuse("after must be the id of an event")
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        stream = events.stream(int(after), follow=request.args.get("follow") != "no")
        return Response(stream, mimetype="text/event-stream", headers=headers)

    @blueprint.get("/sim/people")
    def people() -> ResponseReturnValue:
        return jsonify(people=[asdict(person) for person in messages.people()])

    @blueprint.get("/sim/faults")
    def read_faults() -> ResponseReturnValue:
        return jsonify(faults.now.as_dict())

    @blueprint.put("/sim/faults")
    def change_faults() -> ResponseReturnValue:
        try:
            return jsonify(faults.change(json_object()).as_dict())
        except ValueError as fault:
            raise BadRequestError(str(fault)) from None

    @blueprint.get("/sim/transcript")
    def save() -> ResponseReturnValue:
        name = request.args.get("person", "")
        person = messages.person(name)
        if person is None:
            raise BadRequestError("nobody with this address has written", 404)
        return jsonify(transcript(person.profile_name or "conversation", name, events.of_person(name)))

    def _write(draft: Draft) -> InboundMessage:
        person = draft.phone.person
        is_first = messages.person(person) is None
        meaning = opt_out_desk.meaning(draft)
        message = messages.take_in(draft, meaning)
        events.append(
            Kind.INBOUND,
            person,
            message_sid=message.sid,
            type=draft.type,
            text=draft.text,
            profile_name=draft.profile_name,
        )
        events.append(Kind.STATUS, person, message_sid=message.sid, status="sent")
        if is_first:
            phones.tell(draft.phone)
        if meaning:
            opt_out_desk.answer(message.address, meaning)
        return message

    return blueprint


def _sent_before(messages: MessageStore, body: dict[str, Any]) -> InboundMessage:
    message = messages.inbound(_text(body, "message_sid", 64))
    if message is None:
        raise BadRequestError("there is no message with this message_sid", 404)
    return message


def _draft(messages: MessageStore, phones: Phones, body: dict[str, Any]) -> Draft:
    address = _text(body, "from", MAX_LENGTH)
    if not is_address(address):
        refuse("from must look like whatsapp:+919876543210 or whatsapp:IN.1234")
    try:
        kind = InboundType(body.get("type", InboundType.TEXT))
    except ValueError:
        refuse(f"type must be one of {', '.join(InboundType)}")
    text = _text(body, "text", MESSAGE_MAX_LENGTH)
    if kind in {InboundType.TEXT, InboundType.BUTTON} and not text.strip():
        refuse("text is empty")
    name, payload = _text(body, "profile_name", _PROFILE_NAME_MAX_LENGTH), _text(body, "payload", _PAYLOAD_MAX_LENGTH)
    phone = phones.of(address)
    known = messages.person(phone.person)
    return Draft(phone, kind, text, name or (known.profile_name if known else ""), payload)


def _plan(body: dict[str, Any]) -> Plan:
    try:
        signature = Signature(body.get("signature", Signature.VALID))
    except ValueError:
        refuse(f"signature must be one of {', '.join(Signature)}")
    return Plan(
        copies=_number(body, "copies", 1, (1, _MAX_COPIES)),
        gap_seconds=_number(body, "gap_ms", 0, (0, _MAX_WAIT_MS)) / 1000,
        delay_seconds=_number(body, "delay_ms", 0, (0, _MAX_WAIT_MS)) / 1000,
        signature=signature,
    )


def _text(body: dict[str, Any], name: str, max_length: int) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > max_length:
        refuse(f"{name} must be a text of at most {max_length} characters")
    if any("\ud800" <= character <= "\udfff" for character in value):
        refuse(f"{name} has half a character in it")
    return value


def _number(body: dict[str, Any], name: str, default: int, bounds: tuple[int, int]) -> int:
    value = body.get(name, default)
    if type(value) is not int or not bounds[0] <= value <= bounds[1]:
        refuse(f"{name} must be a whole number from {bounds[0]} to {bounds[1]}")
    return value
