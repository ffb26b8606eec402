"""Heartbeats: written off the path of any message, and judged so that a new system is not an unhealthy one."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

import dramatiq
import fakeredis
import pytest
from dramatiq.brokers.redis import RedisBroker

from onboarding_bot.storage.heartbeats import WRITTEN_AFTER_SECONDS, Heartbeat, HeartbeatRecorder, Heartbeats
from onboarding_bot.storage.keys import HEARTBEATS, QUEUE, QUEUE_NAMESPACE
from onboarding_bot.web.api.heartbeat_checks import CALLBACK_MISSING, JOB_WAITS, WORKER_SILENT, HeartbeatChecks
from tests.fakes import NOON, MovableClock

SECOND = timedelta(seconds=1)


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


@pytest.fixture
def heartbeats(server: fakeredis.FakeServer) -> Heartbeats:
    redis = fakeredis.FakeRedis(server=server)
    return Heartbeats(redis, redis)


def heartbeat_checks(heartbeats: Heartbeats, now: datetime = NOON, *, expects_webhooks: bool = True) -> HeartbeatChecks:
    return HeartbeatChecks(heartbeats, lambda: now, expects_webhooks=expects_webhooks)


def statuses(heartbeats: Heartbeats, *, expects_webhooks: bool = True) -> Mapping[str, str]:
    checks = heartbeat_checks(heartbeats, expects_webhooks=expects_webhooks)
    return {name: part["status"] for name, part in checks.parts().items()}


def ago(span: timedelta) -> datetime:
    return NOON - span


# --- judging -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("silent_for", "status"),
    [(timedelta(), "healthy"), (WORKER_SILENT, "healthy"), (WORKER_SILENT + SECOND, "unhealthy"), (None, "unhealthy")],
)
def test_a_worker_tells_of_itself_all_the_time(
    heartbeats: Heartbeats, silent_for: timedelta | None, status: str
) -> None:
    if silent_for is not None:
        heartbeats.write({Heartbeat.WORKER: ago(silent_for)})
    assert statuses(heartbeats)["worker"] == status


def test_a_new_system_is_told_apart_from_one_that_twilio_does_not_reach(heartbeats: Heartbeats) -> None:
    assert statuses(heartbeats, expects_webhooks=True)["webhook"] == "unhealthy", "production, before the first webhook"
    assert statuses(heartbeats, expects_webhooks=False)["webhook"] == "waiting", "the demo, before the first webhook"
    heartbeats.write({Heartbeat.WEBHOOK: ago(timedelta(days=40))})
    assert statuses(heartbeats)["webhook"] == "healthy", "nights are quiet; the alert knows when they should not be"


@pytest.mark.parametrize(
    ("message", "callback", "status"),
    [
        pytest.param(None, None, "waiting", id="nothing was ever sent"),
        pytest.param(timedelta(minutes=1), None, "waiting", id="just sent"),
        pytest.param(CALLBACK_MISSING + SECOND, None, "unhealthy", id="sent long ago, and never told of it"),
        pytest.param(CALLBACK_MISSING + SECOND, timedelta(minutes=9), "healthy", id="told"),
        pytest.param(timedelta(hours=1), timedelta(hours=1, seconds=30), "healthy", id="written with a delay"),
        pytest.param(timedelta(hours=1), timedelta(hours=2), "unhealthy", id="not told any more"),
        pytest.param(timedelta(minutes=9), timedelta(days=2), "healthy", id="sent again after a long time"),
    ],
)
def test_callbacks_are_missed_only_by_who_sent_something(
    heartbeats: Heartbeats, message: timedelta | None, callback: timedelta | None, status: str
) -> None:
    spans = {Heartbeat.MESSAGE: message, Heartbeat.STATUS_CALLBACK: callback}
    if times := {sign: ago(span) for sign, span in spans.items() if span is not None}:
        heartbeats.write(times)
    assert statuses(heartbeats)["status_callback"] == status


def test_each_says_when_it_was_last_seen(heartbeats: Heartbeats) -> None:
    heartbeats.write({Heartbeat.WEBHOOK: ago(90 * SECOND)})
    parts = heartbeat_checks(heartbeats).parts()
    assert parts["webhook"] == {"status": "healthy", "last_seen": ago(90 * SECOND).isoformat(), "seconds_ago": 90.0}
    assert parts["worker"] == {"status": "unhealthy", "last_seen": None, "seconds_ago": None}


def test_a_damaged_heartbeat_was_never_seen(heartbeats: Heartbeats, server: fakeredis.FakeServer) -> None:
    heartbeats.write({Heartbeat.WORKER: NOON, Heartbeat.WEBHOOK: NOON})
    fakeredis.FakeRedis(server=server).hset(HEARTBEATS, Heartbeat.WEBHOOK, "damaged")
    assert heartbeats.read() == {Heartbeat.WORKER: NOON}


# --- the queue -----------------------------------------------------------------------------------------------------


@pytest.fixture
def broker(server: fakeredis.FakeServer) -> RedisBroker:
    broker = RedisBroker(client=fakeredis.FakeRedis(server=server), namespace=QUEUE_NAMESPACE)
    broker.declare_queue(QUEUE)
    return broker


def put(broker: RedisBroker, since: datetime) -> None:
    milliseconds = round(since.timestamp() * 1000)
    message: dramatiq.Message[None] = dramatiq.Message(QUEUE, "pump", (), {}, {}, message_timestamp=milliseconds)
    broker.enqueue(message)


@pytest.mark.parametrize(
    ("waited", "status", "seconds"),
    [
        pytest.param([], "healthy", None, id="no job"),
        pytest.param([timedelta(seconds=7), SECOND], "healthy", 7.0, id="young ones"),
        pytest.param([JOB_WAITS + SECOND, SECOND], "unhealthy", 121.0, id="an old one"),
        pytest.param([SECOND, JOB_WAITS + SECOND], "unhealthy", 121.0, id="an old one that came back"),
        pytest.param([-SECOND], "healthy", 0.0, id="clocks differ"),
    ],
)
def test_the_queue_is_as_old_as_its_oldest_job(
    heartbeats: Heartbeats, broker: RedisBroker, waited: list[timedelta], status: str, seconds: float | None
) -> None:
    for span in waited:
        put(broker, ago(span))
    assert heartbeat_checks(heartbeats).queue() == {"status": status, "oldest_job_seconds": seconds}


def test_prometheus_reads_the_same(heartbeats: Heartbeats, broker: RedisBroker, server: fakeredis.FakeServer) -> None:
    heartbeats.write({Heartbeat.WORKER: ago(SECOND)})
    put(broker, ago(5 * SECOND))
    told = {sample.name: sample.value for family in heartbeat_checks(heartbeats).metrics() for sample in family.samples}
    assert told == {
        "worker_last_heartbeat_timestamp_seconds": ago(SECOND).timestamp(),
        "queue_oldest_job_age_seconds": 5.0,
    }
    server.connected = False
    assert list(heartbeat_checks(heartbeats).metrics()) == []


# --- noting --------------------------------------------------------------------------------------------------------


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[threading.Timer]:
    """The timers that were started; the tests let them ring."""
    started: list[threading.Timer] = []
    monkeypatch.setattr(threading.Timer, "start", lambda timer: started.append(timer))  # noqa: PLW0108 - a builtin would not be bound
    return started


def test_many_heartbeats_are_one_write(
    heartbeats: Heartbeats, clock: MovableClock, timers: list[threading.Timer]
) -> None:
    recorder = HeartbeatRecorder(heartbeats, clock.clock().now)
    recorder.note(Heartbeat.WEBHOOK)
    assert heartbeats.read() == {}, "nobody waited for Redis"
    assert timers.pop().interval == 0, "a first sign may be waited for"
    recorder.write()
    for _ in range(3):
        clock.pass_(seconds=1)
        recorder.note(Heartbeat.WEBHOOK)
    (timer,) = timers
    assert timer.interval == WRITTEN_AFTER_SECONDS
    assert heartbeats.read() == {Heartbeat.WEBHOOK: NOON}
    timer.function()
    assert heartbeats.read() == {Heartbeat.WEBHOOK: NOON + 3 * SECOND}
    timer.function()
    recorder.note(Heartbeat.WEBHOOK)
    assert len(timers) == 2


def test_what_redis_did_not_take_is_written_with_the_next(
    heartbeats: Heartbeats, server: fakeredis.FakeServer, clock: MovableClock, timers: list[threading.Timer]
) -> None:
    recorder = HeartbeatRecorder(heartbeats, clock.clock().now)
    recorder.note(Heartbeat.WEBHOOK)
    server.connected = False
    timers[0].function()
    server.connected = True
    clock.pass_(seconds=5)
    recorder.note(Heartbeat.STATUS_CALLBACK)
    timers[1].function()
    assert heartbeats.read() == {Heartbeat.WEBHOOK: NOON, Heartbeat.STATUS_CALLBACK: NOON + 5 * SECOND}
