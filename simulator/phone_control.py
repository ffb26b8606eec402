"""The control API for the addresses of a phone: hide the number, take another one, pass it on."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from simulator.addresses import is_address
from simulator.control import BadRequestError, answer_in_sentences, json_object, refuse
from simulator.phones import NoNumberError, Phones


def phone_control(phones: Phones) -> Blueprint:
    blueprint = Blueprint("phone_control", __name__, url_prefix="/sim/phones/<person>")
    answer_in_sentences(blueprint)

    @blueprint.before_request
    def check_name() -> None:
        if not is_address((request.view_args or {}).get("person", "")):
            refuse("a phone's name must look like whatsapp:+919876543210 or whatsapp:IN.1234")

    @blueprint.errorhandler(NoNumberError)
    def answer_no_number(_error: NoNumberError) -> ResponseReturnValue:
        return jsonify(error="this phone has no number"), 409

    @blueprint.get("")
    def read(person: str) -> ResponseReturnValue:
        return jsonify(asdict(phones.of(person)))

    @blueprint.put("")
    def hide_number(person: str) -> ResponseReturnValue:
        body = json_object()
        if body.keys() != {"hides_number"} or type(body["hides_number"]) is not bool:
            raise BadRequestError("the body must have hides_number, true or false, and nothing else")
        return jsonify(asdict(phones.hide_number(person, hides=body["hides_number"])))

    @blueprint.post("/new-number")
    def take_new_number(person: str) -> ResponseReturnValue:
        json_object()
        return jsonify(asdict(phones.take_new_number(person)))

    @blueprint.post("/pass-on")
    def pass_number_on(person: str) -> ResponseReturnValue:
        json_object()
        return jsonify(asdict(phones.pass_number_on(person)))

    return blueprint
