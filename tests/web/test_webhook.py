"""Twilio's webhooks over HTTP: what is refused, what is answered, and what people read when something breaks."""

from __future__ import annotations

import io
import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from urllib.parse import urlencode

import fakeredis
import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from onboarding_bot import bot as bot_module
from onboarding_bot.app import BOT, LARGEST_BODY, create_app
from onboarding_bot.conversation.engine import Engine
from onboarding_bot.conversation.turn import OtpResult
from onboarding_bot.errors import BotError, BusyError, StoreUnavailableError
from onboarding_bot.observability import metrics
from onboarding_bot.web.api.problems import REFERENCE_ALPHABET, REFERENCE_LENGTH
from tests.fakes import FakeOtpService, MovableClock
from tests.inside import store_of
from tests.settings import ENVIRONMENT, settings
from tests.talker import OWNER, Talker, message_in, new_sid, post_signed, signature, webhook_form

PATHS = ["/webhook", "/webhook/fallback"]
URL = ENVIRONMENT["PUBLIC_BASE_URL"]
CURRENT, PREVIOUS = ENVIRONMENT["TWILIO_AUTH_TOKEN"], "token-of-yesterday"


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def server() -> fakeredis.FakeServer:
    """A Redis that tests can take away: ``server.connected = False``."""
    return fakeredis.FakeServer()


@pytest.fixture
def frail(server: fakeredis.FakeServer, clock: MovableClock) -> Flask:
    return create_app(
        settings(), redis=fakeredis.FakeRedis(server=server), otp_service=FakeOtpService(), clock=clock.clock()
    )


def broken(*_args: object, **_kwargs: object) -> None:
    raise RuntimeError("a fault of ours")


def break_next_reply(patch: pytest.MonkeyPatch, app: Flask) -> None:
    """One text that cannot be put into words; the apology that follows can."""
    renderer = app.extensions[BOT]._renderer
    attempts = itertools.chain([broken], itertools.repeat(renderer.render))

    def render(reply: object, language: str | None) -> object:
        return next(attempts)(reply, language)

    patch.setattr(renderer, "render", render)


# --- refused -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no signature"),
        pytest.param({"X-Twilio-Signature": ""}, id="empty signature"),
        pytest.param({"X-Twilio-Signature": "bm90IHRoZSBzaWduYXR1cmU="}, id="wrong signature"),
        pytest.param({"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}, id="a key instead"),
    ],
)
def test_who_is_not_twilio_is_refused_and_changes_nothing(
    client: FlaskClient, redis: Redis, path: str, headers: dict[str, str]
) -> None:
    with structlog.testing.capture_logs() as lines:
        response = client.post(path, data=webhook_form("Hi"), headers=headers)
    assert response.status_code == 403
    assert response.mimetype == "text/plain"
    (refused,) = [line for line in lines if line["event"] == "signature_refused"]
    assert refused["verified_url"] == URL + path
    assert redis.keys() == []


def test_the_log_names_the_url_that_was_verified_with_the_names_of_its_query(client: FlaskClient) -> None:
    with structlog.testing.capture_logs() as lines:
        client.post("/webhook/?tenant=1&+919876501234", data=webhook_form("Hi"), headers={"Host": "inside.example"})
    assert f"{URL}/webhook/?tenant=…&…=…" in [line.get("verified_url") for line in lines]


def test_a_signature_for_another_path_or_other_fields_is_refused(client: FlaskClient) -> None:
    form = webhook_form("Hi")
    for url, signed_form in [(f"{URL}/webhook/fallback", form), (f"{URL}/webhook", form | {"Body": "YES"})]:
        headers = {"X-Twilio-Signature": signature(url, signed_form)}
        assert client.post("/webhook", data=form, headers=headers).status_code == 403


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("field", ["From", "MessageSid"])
@pytest.mark.parametrize("empty", [True, False])
def test_a_form_that_is_no_message_is_a_bad_request(client: FlaskClient, path: str, field: str, empty: bool) -> None:
    form = webhook_form("Hi")
    form.pop(field)
    response = post_signed(client, form | ({field: ""} if empty else {}), path)
    assert response.status_code == 400
    assert response.mimetype == "text/plain"


def test_what_is_no_form_at_all_is_refused(client: FlaskClient) -> None:
    assert client.post("/webhook", json={"From": OWNER, "Body": "Hi"}).status_code == 403
    assert client.post("/webhook", data=b"\xff\xfe\x00=%zz", content_type="text/plain").status_code == 403


OTHERS = [
    *("+919876543210", "919876543210", "messenger:1234567890123456", "rcs:+919876543210", "rcs:bot_agent", "sip:a@b.c"),
    *("whatsapp:", "whatsapp:919876543210", "whatsapp:+", "whatsapp:+0919876543210", "whatsapp:+91 98765 43210"),
    *("whatsapp:Asha Devi", "whatsapp:+91९८७६५४३२१०", "whatsapp:IN.", "whatsapp:IND.1234", "whatsapp:IN.12-34"),
    *("whatsapp:IN.ENT.", f"whatsapp:IN.{'1' * 129}", "WhatsApp:+919876543210", " whatsapp:+919876543210", "x"),
    *("whatsapp:+919876543210\n", "whatsapp:+919876543210,whatsapp:+919876543211", "whatsapp:+9198765432101234"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("sender", OTHERS)
def test_whoever_does_not_write_on_whatsapp_is_answered_with_nothing(
    client: FlaskClient, redis: Redis, path: str, sender: str
) -> None:
    before = webhooks_that_ended("not_whatsapp")
    with structlog.testing.capture_logs() as lines:
        response = post_signed(client, webhook_form("Hi", sender), path)
    assert (response.status_code, response.mimetype) == (200, "text/xml")
    assert list(ET.fromstring(response.get_data(as_text=True))) == []
    assert set(redis.keys()) <= {b"{outbound}:signs"}, "that Twilio called, and nobody"
    assert webhooks_that_ended("not_whatsapp") == before + 1
    (line,) = [line for line in lines if line["event"] == "not_whatsapp"]
    assert line["log_level"] == "warning"
    assert line["channel"] in {"messenger", "rcs", "whatsapp", "other"}
    assert not any(part in str(lines) for part in ("98765", "123456", "Asha", "bot_agent"))


@pytest.mark.parametrize(
    "sender",
    [
        *("whatsapp:+919876543210", "whatsapp:+14155550100", "whatsapp:IN.13491208655302741918", "whatsapp:US.aB3"),
        *("whatsapp:IN.ENT.13491208655302741918", f"whatsapp:IN.{'9' * 128}", "whatsapp:IN.ENT"),
    ],
)
def test_whoever_writes_on_whatsapp_is_welcomed(app: Flask, sender: str) -> None:
    Talker(app, sender).says("Hi").hears("MSMEBazaar").expects_step("name")


def webhooks_that_ended(outcome: str) -> float:
    """What Prometheus reads of it."""
    line = re.compile(rf'^webhook_requests_total{{outcome="{outcome}"}} (\S+)$', re.MULTILINE)
    found = line.search(metrics.exposition(None).decode())
    assert found
    return float(found[1])


def padded(length: int) -> bytes:
    """A signed form's body of exactly ``length`` bytes."""
    form = webhook_form("Hi") | {"Padding": ""}
    form["Padding"] = "x" * (length - len(urlencode(form)))
    return urlencode(form).encode()


def post_body(client: FlaskClient, path: str, body: bytes, *, chunked: bool) -> TestResponse:
    form = dict(pair.split("=", 1) for pair in body.decode().split("&"))
    unquoted = MultiDict((name, value.replace("%3A", ":").replace("%2B", "+")) for name, value in form.items())
    headers = {"X-Twilio-Signature": RequestValidator(CURRENT).compute_signature(URL + path, unquoted)}
    environ = {"wsgi.input_terminated": True} if chunked else {}
    return client.post(
        path,
        input_stream=io.BytesIO(body),
        content_type="application/x-www-form-urlencoded",
        content_length=None if chunked else len(body),
        headers=headers,
        environ_overrides=environ,
    )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("chunked", [pytest.param(False, id="with its length"), pytest.param(True, id="in chunks")])
def test_sixty_four_kibibytes_are_the_most(client: FlaskClient, path: str, chunked: bool) -> None:
    assert LARGEST_BODY == 65536
    assert post_body(client, path, padded(LARGEST_BODY), chunked=chunked).status_code == 200
    assert post_body(client, path, padded(LARGEST_BODY + 1), chunked=chunked).status_code == 413
    assert post_body(client, path, padded(10 * LARGEST_BODY), chunked=chunked).status_code == 413


def test_what_only_claims_to_be_large_is_refused_without_being_read(client: FlaskClient) -> None:
    response = client.post(
        "/webhook",
        content_type="application/x-www-form-urlencoded",
        environ_overrides={"CONTENT_LENGTH": str(10**12)},
    )
    assert response.status_code == 413


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_posts_are_taken(client: FlaskClient, path: str, method: str) -> None:
    response = client.open(path, method=method)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize("path", ["/", "/webhooks", "/webhook/other", "/send-broadcasts"])
def test_there_is_nothing_else_to_post_to(client: FlaskClient, path: str) -> None:
    assert post_signed(client, webhook_form("Hi"), path).status_code == 404


# --- answered ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [pytest.param("/webhook", id="plain"), pytest.param("/webhook/", id="slash"), "/webhook?tenant=1&x=%20y"]
)
def test_an_answer_is_twiml(client: FlaskClient, path: str) -> None:
    response = post_signed(client, webhook_form("Hi"), path)
    assert response.status_code == 200
    assert response.mimetype == "text/xml"
    assert "MSMEBazaar" in message_in(response)


def test_a_proxy_in_front_changes_nothing(client: FlaskClient) -> None:
    form = webhook_form("Hi")
    headers = {
        "X-Twilio-Signature": signature(f"{URL}/webhook", form),
        "Host": "10.0.0.7:5000",
        "X-Forwarded-Host": "elsewhere.example",
        "X-Forwarded-Proto": "http",
    }
    assert client.post("/webhook", data=form, headers=headers, base_url="http://10.0.0.7:5000").status_code == 200


def test_unknown_repeated_and_empty_fields_change_nothing(client: FlaskClient) -> None:
    form = MultiDict([*webhook_form("Hi").items(), ("Tag", "b"), ("Tag", "a"), ("ReferralBody", "")])
    headers = {"X-Twilio-Signature": signature(f"{URL}/webhook", form)}
    assert client.post("/webhook", data=form, headers=headers).status_code == 200


@pytest.mark.parametrize("token", [CURRENT, PREVIOUS])
def test_both_tokens_count_while_they_are_rotated(token: str) -> None:
    app = create_app(settings(TWILIO_AUTH_TOKEN=f"{CURRENT},{PREVIOUS}"), redis=fakeredis.FakeRedis())
    form = webhook_form("Hi")
    headers = {"X-Twilio-Signature": signature(f"{URL}/webhook", form, token)}
    assert app.test_client().post("/webhook", data=form, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"AccountSid": "ACsomebody-else"}, id="another account"),
        pytest.param({"MessageSid": "not shaped like one"}, id="MessageSid of another shape"),
        pytest.param({"From": "whatsapp:IN.1234567890"}, id="a sender without a number"),
        pytest.param({"From": "whatsapp:+14155238886"}, id="a foreign number"),
    ],
)
def test_beyond_the_signature_the_shape_of_fields_is_not_checked(client: FlaskClient, fields: dict[str, str]) -> None:
    assert post_signed(client, webhook_form("Hi") | fields).status_code == 200


@pytest.mark.parametrize(
    "typed",
    ["<b>&amp;]]></b>", "*bold* _it_ ~no~ ```code```", "\x00\x01\x08\x0b", "\ufffe\uffff", "\u202eevil", '"quoted"'],
)
def test_what_was_typed_comes_back_in_good_twiml(talker: Talker, typed: str) -> None:
    talker.says_all("Hi", "Asha Devi").says(typed).expects_step("sector").does_not_hear("*bold*", "```", "\u202e")


# --- Redis is gone -------------------------------------------------------------------------------------------------


def test_without_redis_twilio_is_asked_to_come_again(frail: Flask, server: fakeredis.FakeServer) -> None:
    owner = Talker(frail).says("Hi")
    server.connected = False
    sid = new_sid()
    response = post_signed(frail.test_client(), webhook_form("Asha Devi", sid=sid))
    assert response.status_code == 503
    assert response.mimetype == "text/plain"
    assert message_in(post_signed(frail.test_client(), webhook_form("Asha Devi", sid=sid), "/webhook/fallback")) == (
        "Sorry, something went wrong on our side. Your earlier answers are safe; please send your last message again."
    )
    server.connected = True
    owner.says("Asha Devi", sid=sid).expects_step("sector").expects_data(name="Asha Devi")


@pytest.mark.parametrize("error", [StoreUnavailableError("gone"), BusyError("others won")])
def test_what_a_retry_may_mend_is_a_503(app: Flask, monkeypatch: pytest.MonkeyPatch, error: BotError) -> None:
    def fail(_message: object) -> str:
        raise error

    monkeypatch.setattr(app.extensions[BOT], "answer", fail)
    with structlog.testing.capture_logs() as lines:
        assert post_signed(app.test_client(), webhook_form("Hi")).status_code == 503
    (postponed,) = [line for line in lines if line["event"] == "webhook_postponed"]
    assert postponed["code"] == error.code
    assert postponed["log_level"] == "error"


def error_rate(app: Flask) -> float:
    headers = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}
    return float(app.test_client().get("/stats", headers=headers).get_json()["error_rate"])


def test_failures_count_once_the_store_is_back(frail: Flask, server: fakeredis.FakeServer) -> None:
    owner = Talker(frail).says("Hi")
    assert error_rate(frail) == 0
    server.connected = False
    post_signed(frail.test_client(), webhook_form("Asha Devi"))
    post_signed(frail.test_client(), webhook_form("Asha Devi"), "/webhook/fallback")
    server.connected = True
    owner.says("Asha Devi").says("7")
    assert error_rate(frail) == 0.4


# --- a fault of ours -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(lambda patch, _app: patch.setattr(Engine, "advance", broken), id="in the engine"),
        pytest.param(lambda patch, app: patch.setattr(store_of(app), "commit", broken), id="in the store"),
        pytest.param(break_next_reply, id="in the texts"),
    ],
)
def test_a_fault_of_ours_is_an_apology_with_a_reference_that_the_log_has_too(
    app: Flask, monkeypatch: pytest.MonkeyPatch, break_it: Callable[[pytest.MonkeyPatch, Flask], None]
) -> None:
    Talker(app).says("Hi")
    break_it(monkeypatch, app)
    with structlog.testing.capture_logs() as lines:
        response = post_signed(app.test_client(), webhook_form("Asha Devi"))
    assert response.status_code == 200
    said = message_in(response)
    (failed,) = [line for line in lines if line["event"] == "webhook_failed"]
    assert failed["log_level"] == "error"
    reference = failed["reference"]
    assert re.fullmatch(f"[{REFERENCE_ALPHABET}]{{{REFERENCE_LENGTH}}}", reference)
    assert REFERENCE_LENGTH == 4
    assert f"*{reference}*" in said
    assert "went wrong on our side" in said
    assert ENVIRONMENT["SUPPORT_CONTACT"] in said
    assert "a fault of ours" not in repr(lines)


def test_an_apology_counts_as_a_failure(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Talker(app).says("Hi")
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "advance", broken)
        owner.says("Asha Devi").hears("went wrong on our side")
    owner.says("Asha Devi").says("7").says("560001").expects_step("phone")
    assert error_rate(app) == 0.2


def test_a_reference_can_be_read_aloud() -> None:
    assert len(set(REFERENCE_ALPHABET)) == len(REFERENCE_ALPHABET) > 20
    assert not set(REFERENCE_ALPHABET) & set("0O1ILQ5S8B2Z")


# --- the fallback --------------------------------------------------------------------------------------------------


def fall_back(app: Flask, sid: str, sender: str = OWNER) -> str:
    response = post_signed(app.test_client(), webhook_form("x", sender, sid), "/webhook/fallback")
    assert response.status_code == 200
    return message_in(response)


def test_the_fallback_gives_the_stored_reply_and_computes_nothing(talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi")
    reply, before = talker.reply, talker.stored
    assert fall_back(talker.app, talker.sid) == reply
    assert talker.stored == before


def test_the_fallback_gives_the_stored_reply_in_the_language_of_then(talker: Talker) -> None:
    talker.says("Hi")
    reply, sid = talker.reply, talker.sid
    talker.says("HINDI")
    assert fall_back(talker.app, sid) == reply


def test_the_fallback_apologises_for_a_message_that_nobody_knows(talker: Talker) -> None:
    assert "please send your last message again" in fall_back(talker.app, new_sid(), "whatsapp:+919876500000")
    talker.says("HINDI").says("Hi")
    talker.says("HINDI")
    assert "फिर से भेजें" in fall_back(talker.app, new_sid())
    assert "please send your last message again" in fall_back(talker.app, talker.sid, "whatsapp:+919876500000")


def test_the_fallback_waits_a_second_for_a_turn_that_is_running(
    talker: Talker, otp_service: FakeOtpService, clock: MovableClock
) -> None:
    heard: list[str] = []
    started = clock.moment

    def meanwhile() -> None:
        nonlocal started
        started = clock.moment
        heard.append(fall_back(talker.app, sid))

    otp_service.during = meanwhile
    sid = new_sid()
    talker.answers_everything().says("YES", sid=sid).expects_step("completed")
    assert "please send your last message again" in heard[0]
    assert bot_module.FALLBACK_SECONDS <= (clock.moment - started).total_seconds() < bot_module.FALLBACK_SECONDS + 0.3
    assert fall_back(talker.app, sid) == talker.reply


def test_the_fallback_finds_the_reply_that_arrives_meanwhile(
    app: Flask, talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look finds the turn running; the second one, its reply."""
    talker.answers_everything()
    bot = app.extensions[BOT]
    sid = new_sid()
    states = []
    load = bot._fallback_identities.peek

    def look(person_id: str, message_sid: str) -> object:
        states.append(load(person_id, message_sid))
        return next(views)

    talker.says("YES", sid=sid)
    done = talker.stored
    running = [
        known if known.message_sid != sid else type(known)(sid, known.at, None, lease_until=known.at)
        for known in done.session.remembered
    ]
    session = type(done.session)(
        done.session.current_step, done.session.created_at, done.session.updated_at, remembered=tuple(running)
    )
    views = itertools.chain([type(done)(done.person_id, session, done.contact)], itertools.repeat(done))
    monkeypatch.setattr(bot._fallback_identities, "peek", look)
    assert fall_back(app, sid) == talker.reply
    assert len(states) == 2


def test_the_fallback_apologises_whatever_breaks(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the last that Twilio asks: after it nobody answers the person any more."""
    monkeypatch.setattr(app.extensions[BOT]._fallback_identities, "peek", broken)
    with structlog.testing.capture_logs() as lines:
        response = post_signed(app.test_client(), webhook_form("Hi"), "/webhook/fallback")
    assert response.status_code == 200
    assert "went wrong on our side" in message_in(response)
    (failed,) = [line for line in lines if line["event"] == "webhook_failed"]
    assert (failed["log_level"], failed["error"]) == ("error", "RuntimeError")
    assert failed["reference"] in message_in(response)


def test_the_fallback_is_as_good_as_silent_about_other_people(app: Flask, talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi")
    assert "Asha" not in fall_back(app, talker.sid, "whatsapp:+919876500000")


# --- headers -------------------------------------------------------------------------------------------------------


def test_answers_are_not_stored_on_the_way(client: FlaskClient) -> None:
    response = post_signed(client, webhook_form("Hi"))
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert ET.fromstring(response.get_data(as_text=True)).tag == "Response"


@pytest.mark.parametrize("result", list(OtpResult))
def test_every_ending_of_an_otp_request_is_answered(
    talker: Talker, otp_service: FakeOtpService, result: OtpResult
) -> None:
    otp_service.result = result
    talker.answers_everything().says("YES")
    assert talker.reply
