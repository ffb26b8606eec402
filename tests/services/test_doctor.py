"""The doctor tells what is wrong in one sentence, touches no conversation, and gives away no secret."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import fakeredis
import pytest
import requests
import responses
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError
from werkzeug.serving import make_server

from onboarding_bot import config
from onboarding_bot.app import create_app
from onboarding_bot.services.doctor import Doctor, Finding
from onboarding_bot.storage.heartbeats import Heartbeat, Heartbeats
from onboarding_bot.storage.keys import HEARTBEATS
from tests.command_line import run_command
from tests.settings import ENVIRONMENT, settings

SID = ENVIRONMENT["TWILIO_ACCOUNT_SID"]
ACCOUNT = f"https://api.twilio.com/2010-04-01/Accounts/{SID}.json"
PUBLIC = ENVIRONMENT["PUBLIC_BASE_URL"]
ACTIVE = {"sid": SID, "status": "active", "type": "Full"}
NEEDS_MORE = "From and MessageSid are required"
REFUSED = "The signature does not fit this URL and these fields."
HEALTHY = {"status": "healthy"}


def degraded(part: str) -> dict[str, Any]:
    """Health with one part missing."""
    return {"status": "degraded", "services": {"redis": {"status": "healthy"}, part: {"status": "unhealthy"}}}


@pytest.fixture
def internet() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def all_well(internet: responses.RequestsMock) -> None:
    internet.get(ACCOUNT, json=ACTIVE)
    internet.post(f"{PUBLIC}/webhook", status=400, body=NEEDS_MORE)
    internet.post(f"{PUBLIC}/webhook/fallback", status=400, body=NEEDS_MORE)
    internet.get(f"{PUBLIC}/health", json=HEALTHY)


def examine(**changes: str) -> list[Finding]:
    return list(Doctor(settings(**changes)).examine())


def one_failure(findings: list[Finding]) -> str:
    (failure,) = (str(finding) for finding in findings if not finding.is_well)
    assert failure.startswith("FAIL  ")
    return failure


def unreachable(reason: Exception) -> requests.ConnectionError:
    """As requests reports what urllib3 could not connect to."""
    return requests.ConnectionError(MaxRetryError(HTTPConnectionPool("bot.example.in"), "/", reason))


def test_each_check_has_its_line_when_all_is_well(internet: responses.RequestsMock) -> None:
    all_well(internet)
    assert [str(finding) for finding in examine()] == [
        "ok    Twilio accepts the account SID with the auth token",
        "ok    https://bot.example.in/webhook takes what is signed with the auth token",
        "ok    https://bot.example.in/webhook/fallback takes what is signed with the auth token",
        "ok    https://bot.example.in/health says that all is well",
    ]


def test_the_bot_itself_takes_the_signed_requests_and_no_conversation_begins() -> None:
    port = free_port()
    changes = {"PUBLIC_BASE_URL": f"http://127.0.0.1:{port}"}
    redis = fakeredis.FakeRedis()
    Heartbeats(redis, redis).write(dict.fromkeys(Heartbeat, datetime.now(UTC)))
    server = make_server("127.0.0.1", port, create_app(settings(**changes), redis=redis), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with responses.RequestsMock() as internet:
            internet.get(ACCOUNT, json=ACTIVE)
            internet.get(f"{ENVIRONMENT['AUTH_API_URL']}/health")
            internet.add_passthru(changes["PUBLIC_BASE_URL"])
            well = examine(**changes)
            _, *wrong_token, _ = examine(**changes, TWILIO_AUTH_TOKEN="another-token-than-the-bot-has")
        assert well
        assert wrong_token
        assert all(finding.is_well for finding in well), well
        assert all("refuses the signature" in finding.advice for finding in wrong_token)
        assert redis.keys() == [HEARTBEATS.encode()]
    finally:
        server.shutdown()


def test_every_token_is_checked_while_tokens_are_rotated(internet: responses.RequestsMock) -> None:
    all_well(internet)
    findings = [str(finding) for finding in examine(TWILIO_AUTH_TOKEN="new-token-of-the-tests, token-of-the-tests")]
    assert len(findings) == 7
    assert findings[1] == "ok    Twilio accepts the account SID with the auth token number 2"


@pytest.mark.parametrize(
    ("status", "body", "advice"),
    [
        pytest.param(401, {"code": 20003}, "copy both from the Twilio Console", id="wrong token"),
        pytest.param(404, {"code": 20404}, "copy both from the Twilio Console", id="unknown account"),
        pytest.param(403, {"code": 20008}, "test credentials", id="test credentials"),
        pytest.param(429, {"code": 20429}, "try again in a minute", id="too many requests"),
        pytest.param(503, {}, "status.twilio.com", id="Twilio is down"),
        pytest.param(200, {**ACTIVE, "status": "suspended"}, "the account is suspended", id="suspended"),
        pytest.param(200, {"sid": "somebody else's"}, "not Twilio's way", id="another account"),
        pytest.param(200, ["no object"], "TWILIO_API_BASE_URL", id="another service"),
    ],
)
def test_what_twilio_says_of_the_credentials(
    internet: responses.RequestsMock, status: int, body: object, advice: str
) -> None:
    all_well(internet)
    internet.replace("GET", ACCOUNT, status=status, json=body)
    assert advice in one_failure(examine())


def test_credentials_do_not_follow_a_redirect(internet: responses.RequestsMock) -> None:
    all_well(internet)
    internet.replace("GET", ACCOUNT, status=302, headers={"Location": "https://elsewhere.example/"})
    assert "it redirects" in one_failure(examine())
    assert not [call for call in internet.calls if "elsewhere" in str(call.request.url)]


def test_credentials_go_to_twilio_alone(internet: responses.RequestsMock) -> None:
    all_well(internet)
    examine()
    with_credentials = {call.request.url for call in internet.calls if "Authorization" in call.request.headers}
    assert with_credentials == {ACCOUNT}


@pytest.mark.parametrize(
    ("status", "body", "advice"),
    [
        pytest.param(403, REFUSED, "refuses the signature (403)", id="wrong URL or token"),
        pytest.param(403, "<h1>Forbidden</h1>", "firewall or proxy", id="a firewall"),
        pytest.param(401, "", "firewall or proxy", id="a password at the proxy"),
        pytest.param(404, "", "pass it to the bot as it is", id="path not passed on"),
        pytest.param(405, "", "pass it to the bot as it is", id="a static page"),
        pytest.param(502, "", "have the proxy point at its PORT", id="bot not running"),
        pytest.param(504, "", "have the proxy point at its PORT", id="bot not answering"),
        pytest.param(301, "", "the final address", id="redirect"),
        pytest.param(200, "hello", "somebody else than the bot", id="another app"),
        pytest.param(400, "plain HTTP to an HTTPS port", "somebody else than the bot", id="another app's 400"),
        pytest.param(500, "", "it answered 500", id="anything else"),
    ],
)
def test_what_stands_between_twilio_and_the_bot(
    internet: responses.RequestsMock, status: int, body: str, advice: str
) -> None:
    all_well(internet)
    internet.replace("POST", f"{PUBLIC}/webhook", status=status, body=body)
    assert advice in one_failure(examine())


@pytest.mark.parametrize(
    ("status", "body", "advice"),
    [
        pytest.param(
            200,
            {"status": "degraded", "services": {"redis": {"status": "degraded", "unavailable": ["10.0.0.1:6379"]}}},
            "a part of the Redis cluster",
            id="a primary that takes no writes",
        ),
        pytest.param(200, degraded("auth_api"), "AUTH_API_URL", id="no auth API"),
        pytest.param(200, degraded("worker"), "no worker runs", id="no worker"),
        pytest.param(200, degraded("queue"), "queue stands still", id="a queue that nobody works off"),
        pytest.param(200, degraded("webhook"), "no webhook", id="no webhook yet"),
        pytest.param(200, degraded("status_callback"), "/status-callback", id="no callbacks"),
        pytest.param(200, degraded("another"), "look at /health", id="a part of a later release"),
        pytest.param(200, {"status": "degraded", "services": "?"}, "look at /health", id="another shape"),
        pytest.param(503, {"status": "unhealthy"}, "REDIS_URL", id="no Redis"),
        pytest.param(200, {"hello": "world"}, "somebody else than the bot", id="another app"),
        pytest.param(503, {}, "have the proxy point at its PORT", id="bot not running"),
        pytest.param(404, {}, "pass it to the bot as it is", id="path not passed on"),
    ],
)
def test_what_health_tells(internet: responses.RequestsMock, status: int, body: object, advice: str) -> None:
    all_well(internet)
    internet.replace("GET", f"{PUBLIC}/health", status=status, json=body)
    assert advice in one_failure(examine())


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        pytest.param(
            unreachable(NameResolutionError("bot.example.in", HTTPConnection("x"), socket.gaierror())),
            "DNS does not know",
            id="DNS",
        ),
        pytest.param(
            unreachable(NewConnectionError(HTTPConnection("x"), "refused")), "refuses connections", id="refused"
        ),
        pytest.param(requests.exceptions.SSLError("certificate"), "TLS certificate", id="TLS"),
        pytest.param(requests.exceptions.ProxyError("proxy"), "HTTPS_PROXY", id="HTTP proxy"),
        pytest.param(requests.ConnectTimeout(), "cannot be reached in time", id="connect time-out"),
        pytest.param(requests.ReadTimeout(), "answers too late", id="read time-out"),
        pytest.param(requests.ConnectionError(ConnectionResetError()), "breaks the connection off", id="reset"),
        pytest.param(requests.exceptions.InvalidURL("bad"), "how its URL is written", id="no such URL"),
    ],
)
@pytest.mark.parametrize(
    ("method", "url"), [("GET", ACCOUNT), ("POST", f"{PUBLIC}/webhook"), ("GET", f"{PUBLIC}/health")]
)
def test_silence_has_its_reasons(
    internet: responses.RequestsMock, method: str, url: str, failure: Exception, advice: str
) -> None:
    all_well(internet)
    internet.replace(method, url, body=failure)
    assert advice in one_failure(examine())


def test_a_port_where_nobody_listens_is_told_from_a_name_that_does_not_exist() -> None:
    with responses.RequestsMock() as internet:
        internet.get(ACCOUNT, json=ACTIVE)
        address = f"http://127.0.0.1:{free_port()}"
        internet.add_passthru(address)
        _, *findings = examine(PUBLIC_BASE_URL=address)
    assert findings
    assert all("refuses connections" in finding.advice for finding in findings)


def test_an_answer_that_drips_in_ends(internet: responses.RequestsMock) -> None:
    all_well(internet)
    ticks = iter(range(0, 10_000, 30))
    findings = list(Doctor(settings(), clock=lambda: float(next(ticks))).examine())
    assert findings
    assert all("answers too late" in finding.advice for finding in findings)


def test_a_body_without_an_end_is_cut(internet: responses.RequestsMock) -> None:
    all_well(internet)
    internet.replace("GET", f"{PUBLIC}/health", body=b" " * 1_000_000)
    assert "somebody else than the bot" in one_failure(examine())


def test_the_command_prints_no_secret_and_fails_with_a_failed_check(
    internet: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    internet.get(ACCOUNT, status=401)
    environment = ENVIRONMENT | {"PUBLIC_BASE_URL": "https://operator:gate-password@bot.example.in"}
    monkeypatch.setattr(config, "read_environment", lambda: environment)
    assert run_command("doctor") == 1
    output = "".join(capsys.readouterr())
    assert output.count("FAIL") == 4
    for secret in ("gate-password", ENVIRONMENT["TWILIO_AUTH_TOKEN"], SID):
        assert secret not in output


def test_the_command_succeeds_when_all_is_well(
    internet: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    all_well(internet)
    monkeypatch.setattr(config, "read_environment", lambda: ENVIRONMENT)
    assert run_command("doctor") == 0
    assert capsys.readouterr().out.count("ok    ") == 4


def test_settings_with_faults_are_listed_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(config, "read_environment", lambda: {"FLASK_ENV": "production"})
    assert run_command("doctor") == 1
    assert "setting TWILIO_AUTH_TOKEN is missing" in capsys.readouterr().err


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
