"""The control API for tests and benches of bulk sending: what was sent, and what goes wrong for whom."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from simulator.callbacks import CallbackPost
from simulator.control import answer_in_sentences, json_body, json_object, refuse
from simulator.outbox import Outbox
from simulator.send_rules import Rule, SendRules
from simulator.sent_log import SentLog


def bulk_control(sent: SentLog, rules: SendRules, outbox: Outbox, callbacks: CallbackPost) -> Blueprint:
    blueprint = Blueprint("bulk_control", __name__, url_prefix="/sim")
    answer_in_sentences(blueprint)

    @blueprint.get("/sent")
    def read_sent() -> ResponseReturnValue:
        told = {"posted": callbacks.posted, "failed": callbacks.failed, "messages_under_way": outbox.under_way}
        return jsonify(asdict(sent.summary()) | {"callbacks": told})

    @blueprint.delete("/sent")
    def forget_sent() -> ResponseReturnValue:
        sent.forget()
        callbacks.forget()
        return "", 204

    @blueprint.get("/recipients")
    def read_recipients() -> ResponseReturnValue:
        return jsonify(rules.by_address())

    @blueprint.put("/recipients/<address>")
    def set_recipient(address: str) -> ResponseReturnValue:
        try:
            rule = Rule.parse(json_object())
        except ValueError as fault:
            refuse(str(fault))
        rules.set_for(address, rule)
        return jsonify(rule.as_dict())

    @blueprint.delete("/recipients/<address>")
    def heal_recipient(address: str) -> ResponseReturnValue:
        rules.remove_for(address)
        return "", 204

    @blueprint.get("/rules")
    def read_rules() -> ResponseReturnValue:
        return jsonify(rules.by_suffix())

    @blueprint.put("/rules")
    def replace_rules() -> ResponseReturnValue:
        try:
            rules.replace_suffixes(json_body())
        except ValueError as fault:
            refuse(str(fault))
        return jsonify(rules.by_suffix())

    return blueprint
