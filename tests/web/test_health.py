"""Health: what the words mean, and an answer within the budget whatever hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NoReturn

import fakeredis
import pytest
import responses
from flask import Flask

from onboarding_bot import __version__
from onboarding_bot.app import create_app
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.storage.heartbeats import Heartbeat, Heartbeats
from onboarding_bot.web.api import health
from onboarding_bot.web.api.health import ANSWER_SECONDS, AUTH_API_CACHE_SECONDS, PROBE_SECONDS, HealthCheck
from onboarding_bot.web.api.heartbeat_checks import HeartbeatChecks
from tests.settings import settings
from tests.talker import post_signed, webhook_form

AUTH_HEALTH = "https://auth.example.in/health"


def well() -> Sequence[str]:
    """A store that answers."""
    return ()


def gone() -> NoReturn:
    raise StoreUnavailableError("nobody answers")


class Seconds:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


# --- over HTTP -----------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


def heard_of(server: fakeredis.FakeServer, *signs: Heartbeat) -> None:
    redis = fakeredis.FakeRedis(server=server)
    Heartbeats(redis, redis).write(dict.fromkeys(signs, datetime.now(UTC)))


@pytest.fixture
def app(server: fakeredis.FakeServer) -> Flask:
    return create_app(settings(), redis=fakeredis.FakeRedis(server=server))


@pytest.fixture
def auth_api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def test_all_is_well(app: Flask, server: fakeredis.FakeServer, auth_api: responses.RequestsMock) -> None:
    auth_api.get(AUTH_HEALTH, json={"status": "ok"})
    heard_of(server, Heartbeat.WORKER, Heartbeat.WEBHOOK)
    response = app.test_client().get("/health")
    body = response.get_json()
    assert response.status_code == 200
    assert body.keys() == {"status", "services", "uptime_seconds", "version", "timestamp"}
    assert (body["status"], body["version"]) == ("healthy", __version__)
    assert body["services"].keys() == {
        "redis",
        "auth_api",
        "worker",
        "queue",
        "webhook",
        "status_callback",
        "log",
        "metrics",
    }
    for name in ("redis", "auth_api"):
        service = body["services"][name]
        assert service.keys() == {"status", "response_ms"}
        assert service["status"] == "healthy"
        assert service["response_ms"] >= 0
    assert body["uptime_seconds"] >= 0
    assert datetime.fromisoformat(body["timestamp"]).utcoffset() is not None


@pytest.mark.parametrize("auth_api_answers", [True, False])
def test_without_redis_it_is_unhealthy_and_503(
    app: Flask, server: fakeredis.FakeServer, auth_api: responses.RequestsMock, auth_api_answers: bool
) -> None:
    auth_api.get(AUTH_HEALTH, status=200 if auth_api_answers else 500)
    server.connected = False
    response = app.test_client().get("/health")
    body = response.get_json()
    assert (response.status_code, body["status"]) == (503, "unhealthy")
    assert body["services"]["redis"]["status"] == "unhealthy"
    assert body["services"]["auth_api"]["status"] == ("healthy" if auth_api_answers else "unhealthy")


@pytest.mark.parametrize("status", [500, 503, 404, 301])
def test_without_the_auth_api_it_is_degraded_and_200(app: Flask, auth_api: responses.RequestsMock, status: int) -> None:
    auth_api.get(AUTH_HEALTH, status=status)
    response = app.test_client().get("/health")
    assert (response.status_code, response.get_json()["status"]) == (200, "degraded")


def test_live_and_ready(app: Flask, server: fakeredis.FakeServer) -> None:
    client = app.test_client()
    assert client.get("/health/live").get_json()["status"] == "alive"
    assert client.get("/health/ready").get_json()["status"] == "ready"
    server.connected = False
    assert client.get("/health/live").status_code == 200
    response = client.get("/health/ready")
    assert (response.status_code, response.get_json()["status"]) == (503, "not ready")
    server.connected = True
    assert client.get("/health/ready").status_code == 200


def test_ready_does_not_ask_the_auth_api(app: Flask, auth_api: responses.RequestsMock) -> None:
    app.test_client().get("/health/ready")
    app.test_client().get("/health/live")
    assert len(auth_api.calls) == 0


# --- the cache -----------------------------------------------------------------------------------------------------


def test_the_auth_api_is_asked_every_five_seconds_and_redis_every_time() -> None:
    asked: list[str] = []
    seconds = Seconds()

    def auth_api(_timeout: float) -> bool:
        asked.append("auth")
        return seconds.now < 104

    def redis() -> Sequence[str]:
        asked.append("redis")
        return ()

    check = HealthCheck(redis, auth_api, seconds)
    assert check.report().status == "healthy"
    seconds.now += AUTH_API_CACHE_SECONDS - 0.1
    assert check.report().status == "healthy"
    assert sorted(asked) == ["auth", "redis", "redis"]
    seconds.now += 0.1
    assert check.report().status == "degraded"
    assert sorted(asked) == ["auth", "auth", "redis", "redis", "redis"]
    assert check.report().uptime_seconds == AUTH_API_CACHE_SECONDS == 5.0


def test_redis_is_seen_to_come_and_go_at_once() -> None:
    states = iter([well, gone, well])

    def ping() -> Sequence[str]:
        return next(states)()

    check = HealthCheck(ping, lambda _timeout: True, Seconds())
    assert [check.report().status for _ in range(3)] == ["healthy", "unhealthy", "healthy"]


# --- what hangs ----------------------------------------------------------------------------------------------------


def test_the_budget_is_under_two_seconds() -> None:
    assert PROBE_SECONDS < ANSWER_SECONDS < 2


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_an_auth_api_that_hangs_is_degraded_when_the_time_is_over(release: threading.Event) -> None:
    """Redis takes nearly the whole budget, so that little is left to wait for the auth API."""
    seconds = Seconds()

    def answer_late() -> Sequence[str]:
        seconds.now += ANSWER_SECONDS - 0.1
        return ()

    check = HealthCheck(answer_late, lambda _timeout: release.wait(timeout=120), seconds)
    report = check.report()
    assert report.status == "degraded"
    assert report.services["redis"]["status"] == "healthy"
    assert report.services["auth_api"]["status"] == "unhealthy"
    assert report.services["auth_api"]["response_ms"] <= ANSWER_SECONDS * 1000
    assert not release.is_set()


def test_a_redis_that_hangs_is_unhealthy_when_the_time_is_over(
    release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.1)

    def hang() -> Sequence[str]:
        release.wait(timeout=120)
        return ()

    check = HealthCheck(hang, lambda _timeout: True)
    assert check.report().status == "unhealthy"
    assert not check.redis_answers()
    assert not release.is_set()


def test_probes_that_hang_do_not_make_redis_look_gone(
    release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Load balancers ask all the time; while the auth API hangs, only Redis may turn the answer into a 503."""
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.2)
    asked: list[float] = []

    def hang(timeout: float) -> bool:
        asked.append(timeout)
        return release.wait(timeout=120)

    check = HealthCheck(well, hang)
    found: list[str] = []
    askers = [threading.Thread(target=lambda: found.append(check.report().status)) for _ in range(12)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(timeout=120)
    assert check.redis_answers()
    assert found == ["degraded"] * 12
    assert len(asked) == 1, "the auth API is not asked again while it has not answered"


def test_a_slow_answer_is_told_from_the_cache_later(release: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.1)
    answered = threading.Event()

    def slow(_timeout: float) -> bool:
        release.wait(timeout=120)
        answered.set()
        return True

    check = HealthCheck(well, slow)
    assert check.report().status == "degraded"
    release.set()
    assert answered.wait(timeout=120)
    assert check.report().status == "healthy"


# --- signs of life -------------------------------------------------------------------------------------------------


def test_without_a_worker_it_is_degraded_and_200(
    app: Flask, server: fakeredis.FakeServer, auth_api: responses.RequestsMock
) -> None:
    auth_api.get(AUTH_HEALTH, json={"status": "ok"})
    heard_of(server, Heartbeat.WEBHOOK)
    response = app.test_client().get("/health")
    body = response.get_json()
    assert (response.status_code, body["status"]) == (200, "degraded")
    assert body["services"]["worker"]["status"] == "unhealthy"


def test_a_demo_that_nobody_wrote_to_is_healthy(server: fakeredis.FakeServer, auth_api: responses.RequestsMock) -> None:
    auth_api.get(AUTH_HEALTH, json={"status": "ok"})
    app = create_app(settings(FLASK_ENV="development"), redis=fakeredis.FakeRedis(server=server))
    heard_of(server, Heartbeat.WORKER)
    body = app.test_client().get("/health").get_json()
    assert body["services"]["webhook"]["status"] == body["services"]["status_callback"]["status"] == "waiting"
    assert body["status"] == "healthy"


def test_a_queue_that_is_gone_alone_is_degraded() -> None:
    class Gone(Heartbeats):
        def oldest_job(self) -> None:
            raise StoreUnavailableError("nobody answers")

    redis = fakeredis.FakeRedis()
    signs = Gone(redis, redis)
    signs.write({Heartbeat.WORKER: datetime.now(UTC)})
    check = HealthCheck(
        well,
        lambda _timeout: True,
        heartbeat_checks=HeartbeatChecks(signs, lambda: datetime.now(UTC), expects_webhooks=False),
    )
    report = check.report()
    assert (report.status, report.services["queue"]["status"]) == ("degraded", "unhealthy")


def test_a_signed_webhook_is_remembered(app: Flask, server: fakeredis.FakeServer) -> None:
    redis = fakeredis.FakeRedis(server=server)
    post_signed(app.test_client(), webhook_form("Hi", "whatsapp:+919800000009"))
    deadline = time.monotonic() + 120
    while Heartbeat.WEBHOOK not in Heartbeats(redis, redis).read():
        assert time.monotonic() < deadline
        time.sleep(0.05)
