"""Extras that fail inside one process: who is served all the same, and which deed of an admin is refused."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError
from werkzeug.test import TestResponse

from onboarding_bot.app import create_app
from onboarding_bot.storage.heartbeats import Heartbeat, HeartbeatRecorder, Heartbeats
from onboarding_bot.web.api.health import health_metric
from onboarding_bot.web.api.operations.monitoring import PartStatus
from onboarding_bot.web.api.rate_limits import _SharedRedis
from tests.broadcasts.world import World
from tests.conversation.test_own_data import is_unknown
from tests.fakes import NOON, MovableClock
from tests.observability.test_logs import recorded
from tests.settings import ENVIRONMENT, settings
from tests.talker import OWNER, Talker
from tests.web.visitor import Visitor

KEY = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}


class FullDisk(io.StringIO):
    """Standard output that takes nothing."""

    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


@contextlib.contextmanager
def log_is_full() -> Iterator[None]:
    with recorded(), contextlib.redirect_stdout(FullDisk()):
        yield


def post(app: Flask, path: str, body: dict[str, Any] | None = None) -> TestResponse:
    return app.test_client().post(path, headers=KEY, json=body)


@pytest.fixture
def world(redis: Redis, clock: MovableClock) -> World:
    return World(redis, clock)


@pytest.fixture
def broadcast_id(app: Flask, talker: Talker) -> str:
    talker.answers_everything()
    return str(post(app, "/send-broadcast", {"message": "Hi"}).get_json()["broadcast_id"])


def statuses(app: Flask) -> dict[str, str]:
    found = app.test_client().get("/broadcasts", headers=KEY).get_json()["broadcasts"]
    return {one["broadcast_id"]: one["status"] for one in found}


# --- who is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/people/lookup", {"address": OWNER}),
        ("/people/erase", {"address": OWNER}),
        ("/people/consent", {"address": OWNER, "purpose": "marketing", "given": True}),
        ("/send-broadcast", {"message": "Hi"}),
        ("/broadcasts/{id}/resume", None),
        ("/broadcasts/{id}/resend-uncertain", None),
    ],
)
def test_what_needs_its_line_is_refused_without_it(
    app: Flask, talker: Talker, broadcast_id: str, path: str, body: dict[str, Any] | None
) -> None:
    post(app, f"/broadcasts/{broadcast_id}/pause")
    with log_is_full():
        refused = post(app, path.format(id=broadcast_id), body)
    assert refused.status_code == 503
    assert refused.get_json()["type"] == "urn:msmebazaar:problem:audit-unavailable"
    assert refused.headers["Retry-After"] == "5"
    assert OWNER not in refused.text
    assert statuses(app) == {broadcast_id: "paused"}
    assert set(talker.stored.contact.consents) == {"service"}


def test_the_file_of_recipients_is_refused_without_its_line(app: Flask, broadcast_id: str) -> None:
    with log_is_full():
        refused = app.test_client().get(f"/broadcasts/{broadcast_id}/recipients.csv", headers=KEY)
    assert (refused.status_code, refused.mimetype) == (503, "application/problem+json")


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_nobody_is_kept_from_holding_a_broadcast(app: Flask, broadcast_id: str, action: str) -> None:
    with log_is_full():
        assert post(app, f"/broadcasts/{broadcast_id}/{action}").status_code == 200
        assert post(app, "/broadcasts/pause-all").status_code == 200
    assert statuses(app)[broadcast_id] in {"paused", "cancelled"}


def test_what_changes_nothing_and_shows_nobody_goes_on(app: Flask, broadcast_id: str) -> None:
    with log_is_full():
        client = app.test_client()
        assert client.get("/stats", headers=KEY).status_code == 200
        assert client.get(f"/broadcasts/{broadcast_id}", headers=KEY).status_code == 200
        assert post(app, "/send-broadcast", {"message": "Hi", "dry_run": True}).status_code == 200
        assert client.get("/health/live").status_code == 200
        assert Visitor(app).signs_in().opens("/dashboard").text


def test_the_dashboard_refuses_in_its_own_words(app: Flask, talker: Talker, broadcast_id: str) -> None:
    visitor = Visitor(app).signs_in()
    post(app, f"/broadcasts/{broadcast_id}/pause")
    visitor.opens(f"/dashboard/broadcasts/{broadcast_id}")
    resume = f"/dashboard/broadcasts/{broadcast_id}/resume"
    (form,) = [
        form for form in visitor.page.forms if resume in {form.action, *(b.get("formaction") for b in form.buttons)}
    ]
    with log_is_full():
        visitor.submits(form.action, to=resume, status=503)
        assert "nothing was done" in visitor.text
        assert "Redis" not in visitor.text
    assert statuses(app) == {broadcast_id: "paused"}


def test_the_line_is_written_before_the_deed(app: Flask, talker: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    talker.says_all("Hi", "Asha Devi")
    seen: list[dict[str, Any]] = []
    with recorded("CRITICAL") as lines:

        def erase(*_arguments: object) -> bool:
            seen.extend(lines())
            raise SystemExit("the process dies here")

        monkeypatch.setattr("onboarding_bot.people.service.PeopleService.erase", erase)
        with pytest.raises(SystemExit):
            post(app, "/people/erase", {"address": OWNER})
    (line,) = seen
    assert (line["event"], line["action"], line["key"]) == ("audit_begun", "people.erase", "admin")
    assert line["person"] == talker.store.identify(OWNER)
    assert "98765" not in json.dumps(line)


# --- who is never refused ------------------------------------------------------------------------------------------


def test_an_owner_s_wishes_need_no_line(app: Flask, talker: Talker) -> None:
    with log_is_full():
        talker.answers_everything().says("YES").says("UPDATES")
        assert set(talker.stored.contact.consents) == {"service", "marketing"}
        talker.says("STOP")
        assert talker.stored.contact.opt_out is not None
        talker.says_all("DELETE MY DATA", "YES")
        assert is_unknown(talker)


@pytest.mark.parametrize(
    "fault", [ReadOnlyError("READONLY"), OutOfMemoryError("OOM"), RedisError("?"), RuntimeError("?")]
)
def test_limits_that_cannot_be_counted_refuse_nobody(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(*_arguments: object, **_named: object) -> bool:
        raise fault

    monkeypatch.setattr(_SharedRedis, "acquire_entry", fail)
    monkeypatch.setattr(_SharedRedis, "get_moving_window", fail)
    client = create_app(settings(), redis=redis).test_client()
    assert [client.get("/stats", headers=KEY).status_code for _ in range(3)] == [200] * 3


def test_a_sign_without_a_thread_waits_for_the_next_one(
    redis: Redis, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs = Heartbeats(redis, redis)
    keeper = HeartbeatRecorder(signs, clock.clock().now)

    def fail(_timer: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    started: list[threading.Timer] = []
    with monkeypatch.context() as without_threads:
        without_threads.setattr(threading.Timer, "start", fail)
        keeper.note(Heartbeat.WEBHOOK)
    monkeypatch.setattr(threading.Timer, "start", lambda timer: started.append(timer))  # noqa: PLW0108 - a builtin would not be bound
    clock.pass_(seconds=5)
    keeper.note(Heartbeat.WEBHOOK)
    started[0].function()
    assert signs.read() == {Heartbeat.WEBHOOK: NOON + timedelta(seconds=5)}


@pytest.mark.parametrize(("status", "value"), [("healthy", 1), ("waiting", 1), ("unhealthy", 0), ("degraded", 0)])
def test_prometheus_reads_each_part(status: PartStatus, value: int) -> None:
    (sample,) = health_metric({"log": {"status": status}}).samples
    assert (sample.name, sample.labels, sample.value) == ("health_service_up", {"service": "log"}, value)


def test_settings_are_good_whoever_reads_that() -> None:
    """``serve`` checks them first, and would not begin."""
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        command = [sys.executable, "-m", "onboarding_bot", "env"]
        checked = subprocess.run(
            command, env=os.environ | ENVIRONMENT, stdout=full, stderr=full, check=False, timeout=60
        )
    assert checked.returncode == 0
