"""Metrics: what is counted, who may read it, and that no label grows with people."""

from __future__ import annotations

import re
import shutil
import subprocess

import fakeredis
import pytest
import responses
from prometheus_client.parser import text_string_to_metric_families

from onboarding_bot.app import create_app, create_metrics_app
from onboarding_bot.config import metrics_folder
from onboarding_bot.observability import metrics
from onboarding_bot.outbound.broadcast_states import RecipientState
from tests.fakes import MovableClock
from tests.servers import missing
from tests.settings import ENVIRONMENT, settings
from tests.talker import Talker, post_signed, webhook_form

KEY = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}
SEND_OTP = "https://auth.example.in/api/send-otp"

Sample = tuple[str, frozenset[tuple[str, str]]]


def figures() -> dict[Sample, float]:
    """Every sample of this process by now."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.exposition(None).decode())
        for sample in family.samples
    }


class Since:
    """What has been counted since this moment: all tests of a process count together."""

    def __init__(self) -> None:
        self._before = figures()

    def count(self, name: str, **labels: str) -> float:
        sample = (name, frozenset(labels.items()))
        return figures().get(sample, 0) - self._before.get(sample, 0)


@pytest.fixture
def since() -> Since:
    return Since()


def test_each_end_of_a_webhook_is_counted(since: Since) -> None:
    server = fakeredis.FakeServer()
    app = create_app(settings(), redis=fakeredis.FakeRedis(server=server))
    client = app.test_client()
    Talker(app).says_all("Hi", "Asha Devi")
    client.post("/webhook", data={"Body": "Hi"}, headers={"X-Twilio-Signature": "forged"})
    client.post("/webhook", data={"Body": "x" * 70_000})
    post_signed(client, {"Body": "Hi"})
    post_signed(client, webhook_form("Hi", "whatsapp:+919800000001"), "/webhook/fallback")
    post_signed(client, webhook_form("Hi", "+919800000001"))
    server.connected = False
    post_signed(client, webhook_form("Hi", "whatsapp:+919800000001"))
    counted = {outcome: since.count("webhook_requests_total", outcome=outcome) for outcome in metrics.WEBHOOK_OUTCOMES}
    assert counted == {
        "answered": 2,
        "refused": 1,
        "too_large": 1,
        "bad_form": 1,
        "fallback": 1,
        "postponed": 1,
        "not_whatsapp": 1,
        "failed": 0,
    }
    assert since.count("webhook_duration_seconds_count") == 6, "of those that Twilio signed"
    assert since.count("redis_errors_total") >= 1


@pytest.mark.mistakes_are_made
def test_an_apology_is_a_failure(since: Since, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(settings(), redis=fakeredis.FakeRedis())
    monkeypatch.setattr("onboarding_bot.conversation.engine.Engine.advance", lambda *_: 1 / 0)
    assert "reference" in post_signed(app.test_client(), webhook_form("Hi", "whatsapp:+919800000002")).text
    assert since.count("webhook_requests_total", outcome="failed") == 1


def test_a_sign_up_moves_turns_milestones_and_the_auth_api(since: Since, clock: MovableClock) -> None:
    owner = Talker(create_app(settings(), redis=fakeredis.FakeRedis(), clock=clock.clock()))
    owner.answers_everything()
    with responses.RequestsMock() as auth_api:
        auth_api.post(SEND_OTP, json={"success": True})
        owner.says("YES")
    owner.says("YES", sid=owner.sid)
    assert since.count("sign_ups_total", milestone="started") == 1
    assert since.count("sign_ups_total", milestone="completed") == 1
    assert since.count("turns_total", step="name", result="accepted") == 1
    assert since.count("turns_total", step="confirmation", result="sent") == 1
    assert since.count("turns_total", step="completed", result="repeated") == 1
    assert since.count("auth_api_requests_total", outcome="sent") == 1
    assert since.count("auth_api_duration_seconds_count") == 1


def test_an_open_breaker_shows(clock: MovableClock) -> None:
    owner = Talker(create_app(settings(), redis=fakeredis.FakeRedis(), clock=clock.clock()))
    owner.answers_everything()
    with responses.RequestsMock() as auth_api:
        auth_api.post(SEND_OTP, status=500)
        for _ in range(5):
            owner.says("YES")
            clock.pass_(minutes=2)
    assert figures()[("breaker_state", frozenset())] == metrics.BREAKER_STATES["open"]


def test_the_names_are_the_agreed_ones() -> None:
    shown = {name for name, _ in figures()}
    assert shown >= {
        *("webhook_requests_total", "webhook_duration_seconds_bucket", "turns_total", "auth_api_requests_total"),
        *("auth_api_duration_seconds_bucket", "breaker_state", "broadcast_messages_total", "redis_errors_total"),
        *("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"),
    }


def test_what_was_never_counted_is_shown_as_nothing() -> None:
    """A rate needs a 0 to rise from."""
    create_app(settings(), redis=fakeredis.FakeRedis())
    shown = figures()
    for state in RecipientState:
        assert ("broadcast_messages_total", frozenset({("state", state.value)})) in shown
    for outcome in metrics.WEBHOOK_OUTCOMES:
        assert ("webhook_requests_total", frozenset({("outcome", outcome)})) in shown


def test_no_label_tells_of_a_person(clock: MovableClock) -> None:
    app = create_app(settings(), redis=fakeredis.FakeRedis(), clock=clock.clock())
    before = len(figures())
    for number in range(20):
        Talker(app, sender=f"whatsapp:+9198000001{number:02}").says_all("Hi", f"Asha {'x' * number}", "7", "560001")
    grown = len(figures()) - before
    for number in range(20, 40):
        Talker(app, sender=f"whatsapp:+9198000001{number:02}").says_all("Hi", f"Asha {'x' * number}", "7", "560001")
    assert len(figures()) - before == grown


def test_promtool_has_nothing_to_complain_of() -> None:
    if not shutil.which("promtool"):
        missing("promtool")
    create_app(settings(), redis=fakeredis.FakeRedis())
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=metrics.exposition(None),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


# --- who may read them ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "peer", "headers", "status"),
    [
        pytest.param("off", "127.0.0.1", {}, 401, id="nobody without a key"),
        pytest.param("off", "127.0.0.1", KEY, 200, id="a key"),
        pytest.param("10.1.0.0/16", "10.1.2.3", {}, 200, id="an address of a named network"),
        pytest.param("10.1.0.0/16", "::ffff:10.1.2.3", {}, 200, id="the same, as IPv6 writes it"),
        pytest.param("10.1.0.0/16", "10.2.2.3", {}, 401, id="another address"),
        pytest.param("10.1.0.0/16", "10.2.2.3", KEY, 200, id="another address with a key"),
        pytest.param("10.2.0.1", "10.2.0.1", {"X-Forwarded-For": "10.2.0.1"}, 401, id="through a proxy that is named"),
        pytest.param("10.2.0.1", "10.2.0.1", {"Forwarded": "for=10.2.0.1"}, 401, id="the same, by the newer header"),
        pytest.param("10.2.0.1", "10.9.0.1", {"X-Forwarded-For": "10.2.0.1"}, 401, id="somebody who claims to be it"),
    ],
)
def test_metrics_are_for_key_holders_and_named_peers(
    allowed: str, peer: str, headers: dict[str, str], status: int
) -> None:
    for build in (lambda configured: create_app(configured, redis=fakeredis.FakeRedis()), create_metrics_app):
        app = build(settings(METRICS_ALLOWED_ADDRESSES=allowed))
        response = app.test_client().get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": peer})
        assert response.status_code == status
        if status == 200:
            assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
            assert re.search(r"^redis_errors_total \d", response.text, re.MULTILINE)


def test_a_process_that_stands_alone_has_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    assert metrics_folder() is None
