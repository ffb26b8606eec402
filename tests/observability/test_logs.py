"""The log: JSON lines with a trace id, and over a whole conversation with all its failures nothing of the person."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import fakeredis
import pytest
import responses
import structlog

from onboarding_bot.app import create_app
from onboarding_bot.conversation.engine import Engine
from onboarding_bot.observability.logs import configure_logs, describe, logger
from onboarding_bot.observability.tracing import Trace, follow
from tests.fakes import MovableClock
from tests.inside import store_of
from tests.settings import ENVIRONMENT, settings
from tests.talker import Talker, new_sid, post_signed, webhook_form

TRACE = "0af7651916cd43dd8448eb211c80319c"
SEND_OTP = "https://auth.example.in/api/send-otp"

# What nobody else in the world is called, so that it can only have come from the conversation.
NAME = "Zarquonia Bibblethorpe"
PHONE = "9876501234"
SENDER = f"whatsapp:+91{PHONE}"
PINCODE = "743329"
OTP = "481516"
CHATTER = "flibbertigibbet"
THEIR_WORDS = "their-own-words"

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def recorded(level: str = "DEBUG") -> Iterator[Lines]:
    """The log as it is configured in production; what it yields tells the lines since the last look."""
    root = logging.getLogger()
    handlers, root_level = root.handlers[:], root.level
    root.handlers = []
    try:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            configure_logs(level)
            structlog.contextvars.clear_contextvars()

            def lines() -> list[dict[str, Any]]:
                written = output.getvalue().split("\n")
                output.seek(0)
                output.truncate()
                return [json.loads(line) for line in written if line]

            yield lines
    finally:
        root.handlers, root.level = handlers, root_level
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()


# --- lines ---------------------------------------------------------------------------------------------------------


def test_a_line_says_what_when_how_grave_and_in_which_trace() -> None:
    with recorded() as lines:
        follow(Trace(TRACE))
        logger().warning("something", step="name", count=2)
        (line,) = lines()
        assert line.pop("time").endswith("Z")
        assert line == {"event": "something", "step": "name", "count": 2, "level": "warning", "trace_id": TRACE}


def test_times_are_utc() -> None:
    with recorded() as lines:
        before = datetime.now(UTC)
        logger().info("something")
        (line,) = lines()
        assert before <= datetime.fromisoformat(line["time"]) <= datetime.now(UTC)


def test_text_of_any_script_and_line_breaks_stay_in_their_line() -> None:
    with recorded() as lines:
        logger().info("something", text='नमस्ते\n{"event": "forged"}\u2028')
        (line,) = lines()
        assert line["text"].startswith("नमस्ते\n")


def test_every_line_has_a_trace_even_outside_of_requests() -> None:
    with recorded() as lines:
        logger().info("something", trace_id="given")
        logging.getLogger("library").error("something")
        assert [bool(line["trace_id"]) for line in lines()] == [True, True]


def test_below_its_level_nothing_is_logged() -> None:
    with recorded("WARNING") as lines:
        logger().info("quiet")
        logger().warning("loud")
        assert [line["event"] for line in lines()] == ["loud"]


def test_an_unknown_level_is_an_error() -> None:
    with pytest.raises(KeyError):
        configure_logs("LOUD")


# --- libraries -----------------------------------------------------------------------------------------------------


def test_a_librarys_record_says_where_it_comes_from_and_not_what_was_filled_in() -> None:
    with recorded() as lines:
        follow(Trace(TRACE))
        logging.getLogger("urllib3.connectionpool").warning("Retrying %s", f"https://x/?phone={PHONE}")
        (line,) = lines()
        assert (line["event"], line["library"], line["text"]) == ("library", "urllib3.connectionpool", "Retrying %s")
        assert (line["level"], line["trace_id"]) == ("warning", TRACE)
        assert PHONE not in json.dumps(line)


def test_a_librarys_chatter_is_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("werkzeug"), "level", logging.INFO)  # as werkzeug does by itself
    with recorded() as lines:
        logging.getLogger("urllib3.connectionpool").debug('"POST /api/send-otp HTTP/1.1" 200')
        logging.getLogger("werkzeug").info("127.0.0.1 - - GET /login?token=x")
        assert lines() == []


def test_a_librarys_exception_comes_without_its_message() -> None:
    with recorded() as lines:
        try:
            raise RuntimeError(f"{NAME} broke it")
        except RuntimeError:
            logging.getLogger("library").exception("It broke for %s", NAME)
        (line,) = lines()
        assert line["error"] == "RuntimeError"
        assert line["where"][-1].startswith("test_logs.py:")
        assert NAME not in json.dumps(line)


def test_an_exception_logged_as_a_message_does_not_show_its_words() -> None:
    """``log.error(error)`` is how some libraries do it; the text is then the exception's own."""
    with recorded() as lines:
        logging.getLogger("library").error(RuntimeError(f"{NAME} broke it"))
        (line,) = lines()
        assert NAME not in json.dumps(line)


# --- describe ------------------------------------------------------------------------------------------------------


def test_an_error_is_described_by_its_kind_and_its_place() -> None:
    def inner() -> None:
        raise ValueError(f"{NAME} {PHONE}")

    try:
        inner()
    except ValueError as error:
        described = describe(error)
    assert described["error"] == "ValueError"
    assert re.fullmatch(r"test_logs\.py:\d+ inner", described["where"][-1])
    assert NAME not in repr(described)
    assert PHONE not in repr(described)


def test_an_error_that_nobody_raised_has_no_place() -> None:
    assert describe(ValueError(NAME)) == {"error": "ValueError", "where": []}


def test_a_long_way_down_is_cut_to_its_last_part() -> None:
    def fall(depth: int) -> None:
        if depth == 0:
            raise ValueError
        fall(depth - 1)

    with pytest.raises(ValueError) as caught:  # noqa: PT011 - it says nothing
        fall(50)
    assert len(describe(caught.value)["where"]) == 8


# --- a whole conversation ------------------------------------------------------------------------------------------


@pytest.mark.mistakes_are_made
def test_nothing_of_the_person_is_ever_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded() as lines:
        server, clock = fakeredis.FakeServer(), MovableClock()
        app = create_app(settings(), redis=fakeredis.FakeRedis(server=server), clock=clock.clock())
        client = app.test_client()
        owner = Talker(app, sender=SENDER)
        handoff_key = {"Authorization": f"Bearer {ENVIRONMENT['HANDOFF_API_KEY']}"}

        with responses.RequestsMock(assert_all_requests_are_fired=False) as auth_api:
            owner.says_all("Hi", "1234", NAME, CHATTER, "7", f"{CHATTER} {PINCODE}", PINCODE, "12", "1")
            owner.sends("audio").sends("location").says("STATUS")
            outage = auth_api.post(SEND_OTP, status=500, body=THEIR_WORDS)
            owner.says("YES")
            auth_api.remove(outage)
            clock.pass_(seconds=61)
            refusal = auth_api.post(SEND_OTP, status=422, json={"error": THEIR_WORDS})
            owner.says("YES")
            auth_api.remove(refusal)
            fault = auth_api.post(SEND_OTP, status=401, body=THEIR_WORDS)
            owner.says("NO").says("4").says(PHONE).says("YES")
            auth_api.remove(fault)
            auth_api.post(SEND_OTP, json={"success": True, "message": THEIR_WORDS})
            owner.says("YES").expects_step("completed").says(OTP)
            token_reply = Talker(app, sender=SENDER)
            token_reply.says("YES", sid=owner.sid)

            answered = [line for line in lines() if line["event"] == "turn"]
            assert len(answered) > 15

        link = next(
            part.values["link"].url
            for known in owner.stored.session.remembered
            for part in known.reply
            if part.code == "completed.link"
        )
        token = parse_qs(urlsplit(link).query)["token"][0]
        secrets = [NAME, "Zarquonia", "Bibblethorpe", PHONE, PINCODE, OTP, CHATTER, THEIR_WORDS, token, token[:40]]
        secrets += [quote(NAME), NAME.lower(), owner.sid, *(ENVIRONMENT[name] for name in ENVIRONMENT if "KEY" in name)]
        secrets += [ENVIRONMENT["TWILIO_AUTH_TOKEN"]]

        # What goes wrong on the way in.
        client.post("/webhook", data=webhook_form(CHATTER, SENDER), headers={"X-Twilio-Signature": CHATTER})
        client.post(f"/webhook/{PHONE}", data=webhook_form(CHATTER, SENDER))
        client.get(f"/{CHATTER}?phone={PHONE}")
        post_signed(client, {"Body": CHATTER, "From": SENDER})
        client.post("/handoff", json={"token": f"{token}x"}, headers=handoff_key)
        client.post("/handoff", json={"token": token}, headers={"Authorization": f"Bearer {CHATTER}"})
        assert client.post("/handoff", json={"token": token}, headers=handoff_key).status_code == 200
        client.post("/handoff", data=f'{{"token": "{CHATTER}', headers=handoff_key)

        # What breaks inside, with the person in its message.
        with monkeypatch.context() as broken:
            broken.setattr(Engine, "advance", lambda *_: 1 / 0)
            post_signed(client, webhook_form(CHATTER, SENDER))
        with monkeypatch.context() as broken:

            def crash(_id: str) -> None:
                raise RuntimeError(f"{NAME} {SENDER} {token}")

            broken.setattr(store_of(app), "load", crash)
            broken.setattr(store_of(app), "add_up", crash)
            post_signed(client, webhook_form(CHATTER, SENDER))
            client.post("/handoff", json={"token": token}, headers=handoff_key)
            client.get("/stats", headers={"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"})

        # What is stored and cannot be read, and a store that is gone.
        redis = fakeredis.FakeRedis(server=server)
        for key in redis.keys("*:session:*"):
            redis.set(key, f"{NAME} {PHONE}")
        owner.says(CHATTER)
        server.connected = False
        post_signed(client, webhook_form(CHATTER, SENDER, new_sid()))
        post_signed(client, webhook_form(CHATTER, SENDER, new_sid()), "/webhook/fallback")

        logged = lines()
        events = {line["event"] for line in logged}
        assert events >= {
            "request",
            "signature_refused",
            "bad_form",
            "bad_login_token",
            "wrong_key",
            "webhook_failed",
            "unexpected_error",
            "stored_value_unreadable",
            "webhook_postponed",
            "fallback_without_store",
        }
        for line in [*answered, *logged]:
            assert re.fullmatch("[0-9a-f]{32}", line["trace_id"]), line
            assert {"event", "level", "time"} <= line.keys()
            shown = json.dumps(line, ensure_ascii=False)
            assert [secret for secret in secrets if secret in shown] == [], line


def test_a_request_is_logged_under_the_trace_that_its_caller_began() -> None:
    with recorded() as lines:
        app = create_app(settings(), redis=fakeredis.FakeRedis())
        app.test_client().get("/health/live", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
        (line,) = lines()
        assert (line["event"], line["path"], line["status"], line["trace_id"]) == (
            "request",
            "/health/live",
            200,
            TRACE,
        )
        assert line["duration"] >= 0


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        pytest.param("c0ffee00-1234-4abc-8def-0123456789ab", True, id="a UUID"),
        pytest.param("0AF7651916CD43DD8448EB211C80319C", True, id="a long number"),
        pytest.param(None, False, id="none"),
        pytest.param("", False, id="an empty one"),
        pytest.param("919876543210", False, id="a phone number"),
        pytest.param("Asha Devi, Sharma Textiles", False, id="a name"),
        pytest.param("0" * 65, False, id="too long"),
    ],
)
def test_a_request_has_the_id_that_the_proxy_gave_it_or_a_new_one(given: str | None, is_kept: bool) -> None:
    with recorded() as lines:
        client = create_app(settings(), redis=fakeredis.FakeRedis()).test_client()
        answer = client.get("/health/live", headers={"X-Request-Id": given} if given is not None else {})
        (line,) = lines()
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert (line["request_id"] == given) is is_kept
    assert re.fullmatch("[0-9a-fA-F-]{32,36}", line["request_id"])


def test_two_requests_have_two_traces() -> None:
    with recorded() as lines:
        client = create_app(settings(), redis=fakeredis.FakeRedis()).test_client()
        client.get("/health/live")
        client.get("/health/live")
        first, second = lines()
        assert first["trace_id"] != second["trace_id"]


def test_the_auth_api_hears_of_the_webhooks_trace() -> None:
    with recorded() as lines:
        app = create_app(settings(), redis=fakeredis.FakeRedis())
        Talker(app).answers_everything()
        lines()
        with responses.RequestsMock() as auth_api:
            auth_api.post(SEND_OTP, json={"success": True})
            Talker(app).says("YES")
            traceparent = auth_api.calls[0].request.headers["traceparent"]
        traces = {line["trace_id"] for line in lines() if line["event"] in {"turn", "auth_api", "request"}}
        assert traces == {traceparent.split("-")[1]}


def test_lines_of_several_processes_are_never_mixed() -> None:
    """Without a buffer, as in a container: a line and its end are one write."""
    program = """
import multiprocessing
from onboarding_bot.conversation.engine import Engine
from onboarding_bot.observability.logs import audit_log, configure_logs, logger
from onboarding_bot.conversation.engine import Engine
from tests.inside import store_of

def write():
    configure_logs("INFO")
    for number in range(300):
        logger().info("turn", number=number)
        audit_log().info("audit", number=number)

processes = [multiprocessing.get_context("fork").Process(target=write) for _ in range(4)]
for process in processes:
    process.start()
for process in processes:
    process.join()
"""
    command = [sys.executable, "-u", "-c", program]
    written = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    lines = [json.loads(line) for line in written.stdout.splitlines()]
    assert len(lines) == 4 * 300 * 2
