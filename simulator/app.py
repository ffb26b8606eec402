"""Puts the simulator together: the only place that constructs its parts."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from flask import Flask, Response, g, request
from flask.json.provider import DefaultJSONProvider

from simulator.auth_api import auth_api
from simulator.background import Background, Sleep, in_background
from simulator.bulk_control import bulk_control
from simulator.callbacks import CallbackPost
from simulator.clock import Clock, utc_now
from simulator.content import ContentStore
from simulator.content_api import content_api
from simulator.database import Database
from simulator.delivery import Delivery
from simulator.events import EventLog
from simulator.faults import FaultSwitch
from simulator.logs import log
from simulator.messages import MessageStore
from simulator.opt_out import OptOuts
from simulator.otp import OtpService
from simulator.outbox import Outbox
from simulator.phone import OptOutDesk, Postman, phone
from simulator.phone_control import phone_control
from simulator.phones import Phones
from simulator.send_desk import SendDesk
from simulator.send_rules import SendRules
from simulator.sent_log import Monotonic, SentLog
from simulator.settings import Settings
from simulator.twilio_api import twilio_api
from simulator.web_app import web_app

_MAX_BODY_BYTES = 64 * 1024
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Simulator:
    """The application, and what has to be closed when it ends."""

    app: Flask
    events: EventLog
    database: Database

    def close(self) -> None:
        self.events.close()
        self.database.close()


def create_simulator(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    sleep: Sleep = time.sleep,
    run: Background = in_background,
    monotonic: Monotonic = time.monotonic,
) -> Simulator:
    database = Database(settings.database)
    events = EventLog(database, clock)
    faults = FaultSwitch(events)
    phones = Phones(database, events)
    messages = MessageStore(settings, database, clock)
    contents = ContentStore(database, faults, clock)
    otp = OtpService(database, phones, events, clock)
    callbacks = CallbackPost(settings, sleep)
    outbox = Outbox(settings, messages, phones, events, faults, callbacks, run=run, sleep=sleep)
    sent, rules, opt_outs = SentLog(clock, monotonic), SendRules(), OptOuts(database)
    desk = SendDesk(settings, messages, phones, contents, outbox, faults, rules, opt_outs, sent, sleep)
    delivery = Delivery(settings, events, faults, outbox, sleep=sleep)

    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY_BYTES
    app.json = _ReadableJson(app)
    app.register_blueprint(
        phone(
            messages,
            phones,
            events,
            faults,
            Postman(delivery, faults, run, sleep),
            OptOutDesk(faults, opt_outs, outbox),
        )
    )
    app.register_blueprint(phone_control(phones))
    app.register_blueprint(bulk_control(sent, rules, outbox, callbacks))
    app.register_blueprint(twilio_api(settings, messages, desk))
    app.register_blueprint(content_api(settings, contents))
    app.register_blueprint(auth_api(otp, faults, sleep))
    app.register_blueprint(web_app(settings, otp, faults))
    app.before_request(_start_watch)
    app.after_request(_protect)
    app.after_request(_log_request)
    return Simulator(app, events, database)


class _ReadableJson(DefaultJSONProvider):
    """Hindi stays Hindi, and a transcript's fields stay in their order."""

    ensure_ascii = False
    sort_keys = False


def _start_watch() -> None:
    g.started = time.monotonic()


def _protect(response: Response) -> Response:
    # A page's own policy is narrower and stays.
    response.headers.setdefault("Content-Security-Policy", _POLICY)
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _log_request(response: Response) -> Response:
    # The rule, not the address: tokens and phone numbers stand in addresses.
    route = request.url_rule.rule if request.url_rule else None
    duration_ms = round((time.monotonic() - g.started) * 1000)
    trace = {"trace_id": found[1]} if (found := _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))) else {}
    log("request", method=request.method, route=route, status=response.status_code, ms=duration_ms, **trace)
    return response
