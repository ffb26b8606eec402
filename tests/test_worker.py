"""The worker: its jobs, the scheduler beside them, and a broadcast that goes through a real queue."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import structlog
from dramatiq.cli import import_broker
from redis import Redis

from onboarding_bot import jobs, scheduler, worker
from onboarding_bot.analytics.counter_layout import counters_in
from onboarding_bot.broadcasts.sender import SEND_LEASE
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.outbound.broadcast_definition import Definition
from onboarding_bot.outbound.broadcast_states import BroadcastStatus
from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.scheduler import TickEverySecond
from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis, connect
from onboarding_bot.storage.heartbeats import Heartbeat
from onboarding_bot.storage.leases import ShardWork
from onboarding_bot.wiring import Parts, build_parts
from tests.broadcasts.people import add_many, sender_of
from tests.broadcasts.world import FakeTwilio
from tests.command_line import run_command
from tests.fakes import MovableClock
from tests.servers import running_redis
from tests.settings import ENVIRONMENT, settings

# Reached only when it never comes to that: a busy machine may take its time.
WITHIN_SECONDS = 120


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's environment, and the test's own streams and log."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(worker, "configure_logs", lambda _level: None)
    monkeypatch.setattr(worker, "protect_standard_streams", lambda: None)


@pytest.fixture
def twilio() -> FakeTwilio:
    return FakeTwilio()


@pytest.fixture
def declared(
    twilio: FakeTwilio, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> Callable[[AnyRedis], tuple[Any, Parts]]:
    """A broker on this Redis, with the parts that its jobs use; nothing leaves for Twilio."""

    def declare(redis: AnyRedis) -> tuple[Any, Parts]:
        parts = build_parts(settings(), redis=redis, clock=clock.clock())
        monkeypatch.setattr(parts.broadcasts.sender, "_messages", twilio)
        monkeypatch.setattr(worker, "build_parts", lambda _settings: parts)
        return worker.build_broker(settings(), redis), parts

    return declare


def queued(redis: Redis, name: str) -> list[dict[str, Any]]:
    """The jobs of this name that wait."""
    messages = [json.loads(message) for message in redis.hvals("{dramatiq}:outbound.msgs")]
    return [message for message in messages if message["actor_name"] == name]


def tick(broker: Any) -> None:
    """What the scheduler's thread does once a second."""
    (ticking,) = [one for one in broker.middleware if isinstance(one, TickEverySecond)]
    ticking._tick()


def test_replies_and_reminders_go_before_bulk(declared: Callable[[AnyRedis], tuple[Any, Any]], redis: Redis) -> None:
    broker, _ = declared(redis)
    jobs = {name: broker.get_actor(name) for name in broker.get_declared_actors()}
    assert jobs["nudge"].priority == jobs["otp"].priority < jobs["pump"].priority
    assert jobs["enrol"].priority > jobs["nudge"].priority
    assert {job.queue_name for job in jobs.values()} == {"outbound"}
    assert {job.options["max_retries"] for job in jobs.values()} == {0}, "the scheduler tries again, and nobody else"


def test_the_queue_has_one_slot_of_a_cluster(declared: Callable[[AnyRedis], tuple[Any, Any]], redis: Redis) -> None:
    broker, parts = declared(redis)
    add_many(parts.storage.store, 3)
    parts.storage.broadcast_records.create(Definition(message="Hi"), parts.clock.now(), None)
    for _ in range(2):
        tick(broker)
    queue = [key for key in redis.scan_iter() if b"dramatiq" in key]
    assert queue
    assert all(key.startswith(b"{dramatiq}") for key in queue)
    for key in queue:
        for secret in (b"9000000", b"whatsapp", b'Hi"'):
            assert secret not in (redis.dump(key) or b""), "a job's arguments are ids"


def test_every_kind_of_due_work_has_its_job(
    declared: Callable[[AnyRedis], tuple[Any, Any]], redis: Redis, clock: MovableClock
) -> None:
    broker, _ = declared(redis)
    for work in DueWork:
        redis.zadd(keys.due_in(0), {f"{work}:{'0' * 32}": clock.moment.timestamp() * 1000})
    tick(broker)
    waiting = [job for name in broker.get_declared_actors() for job in queued(redis, name) if job["args"]]
    assert len(waiting) == len(DueWork)


def test_due_work_of_a_later_release_keeps_nobody_waiting(
    declared: Callable[[AnyRedis], tuple[Any, Any]], redis: Redis, clock: MovableClock
) -> None:
    """Two releases run side by side while one takes the other's place, and may be for long."""
    broker, parts = declared(redis)
    due_at = clock.moment.timestamp() * 1000
    redis.zadd(keys.due_in(0), {"errand:somebody": due_at - 1, "nudge:somebody": due_at})
    redis.zadd(keys.due_in(7), {"otp:somebody": due_at})
    broadcast_id, _ = parts.storage.broadcast_records.create(Definition(message="Hi"), parts.clock.now(), None)
    tick(broker)
    assert len(queued(redis, "nudge")) == len(queued(redis, "otp")) == 1
    assert parts.storage.broadcast_records.find(broadcast_id).status is not BroadcastStatus.COUNTING
    assert Heartbeat.WORKER in parts.observability.heartbeats.read()
    assert redis.zscore(keys.due_in(0), "errand:somebody") == due_at - 1


def test_the_round_of_retention_is_made_once_in_a_while(
    declared: Callable[[AnyRedis], tuple[Any, Any]], redis: Redis
) -> None:
    broker, _ = declared(redis)
    for _ in range(3):
        tick(broker)
    assert len(queued(redis, "retention")) == 1


def test_only_one_worker_schedules(declared: Callable[[AnyRedis], tuple[Any, Any]], redis: Redis) -> None:
    first, parts = declared(redis)
    second, _ = declared(redis)
    broadcast_id, _ = parts.storage.broadcast_records.create(Definition(message="Hi"), parts.clock.now(), None)
    redis.set("{outbound}:sweeper", "somebody else")
    tick(first)
    assert parts.storage.broadcast_records.find(broadcast_id).status is BroadcastStatus.COUNTING
    redis.delete("{outbound}:sweeper")
    tick(second)
    assert parts.storage.broadcast_records.find(broadcast_id).status is BroadcastStatus.SENDING


def test_the_scheduler_counts_ended_sessions_once_a_minute(
    declared: Callable[[AnyRedis], tuple[Any, Any]], redis: Redis
) -> None:
    broker, parts = declared(redis)
    now = parts.clock.now()
    redis.zadd(keys.step_index(5, OnboardingStep.PHONE), {"somebody": (now.timestamp() - 61) * 1000})
    tick(broker)
    (row,) = parts.storage.store.add_up(now).days.values()
    assert counters_in(row)["ended:phone"] == 1
    redis.zadd(keys.step_index(5, OnboardingStep.PHONE), {"somebody else": (now.timestamp() - 61) * 1000})
    tick(broker)
    assert redis.zcard(keys.step_index(5, OnboardingStep.PHONE)) == 1, "a minute is not over"


@pytest.mark.parametrize(
    ("pause_seconds", "jobs"),
    [pytest.param(0, 1, id="no pause"), pytest.param(1, 1, id="a short one"), pytest.param(120, 0, id="a long one")],
)
def test_a_reminder_waits_for_twilio_s_pause_outside_the_queue(
    declared: Callable[[AnyRedis], tuple[Any, Any]],
    redis: Redis,
    clock: MovableClock,
    pause_seconds: int,
    jobs: int,
) -> None:
    broker, parts = declared(redis)
    redis.zadd(keys.due_in(0), {"nudge:somebody": clock.moment.timestamp() * 1000})
    parts.storage.send_slots.pause(pause_seconds)
    tick(broker)
    assert len(queued(redis, "nudge")) == jobs
    assert redis.zcount(keys.due_in(0), clock.moment.timestamp() * 1000 + 1, "+inf") == 1, "it is due again"


@pytest.fixture
def queue_redis(tmp_path: Path) -> Iterator[AnyRedis]:
    with running_redis(tmp_path) as server:
        yield connect(server.url, answer_seconds=5.0)


@pytest.mark.redis_server
def test_a_broadcast_goes_through_the_queue_from_its_first_row_to_its_last(
    declared: Callable[[AnyRedis], tuple[Any, Any]], queue_redis: AnyRedis, twilio: FakeTwilio
) -> None:
    broker, parts = declared(queue_redis)
    add_many(parts.storage.store, 60)
    broadcast_id, _ = parts.storage.broadcast_records.create(Definition(message="Hi"), parts.clock.now(), None)
    running = dramatiq.Worker(broker, worker_timeout=50, worker_threads=4)
    running.start()
    try:
        deadline = time.monotonic() + WITHIN_SECONDS
        while parts.storage.broadcast_records.find(broadcast_id).status is not BroadcastStatus.COMPLETED:
            assert time.monotonic() < deadline, parts.storage.recipients.counts(broadcast_id)
            time.sleep(0.1)
    finally:
        running.stop()
    assert sorted(twilio.addresses) == sorted(sender_of(number) for number in range(60))
    assert parts.storage.recipients.counts(broadcast_id)["sent"] == 60


@pytest.mark.parametrize(
    ("waited_seconds", "successor", "runs"),
    [
        pytest.param(1, True, True, id="a fresh job runs on the lease that was taken for it"),
        pytest.param(16, True, False, id="an old job leaves the shard to its successor"),
        pytest.param(16, False, True, id="an old job without a successor takes the lease anew"),
    ],
)
def test_a_shard_has_one_job_however_long_the_queue_is(
    declared: Callable[[AnyRedis], tuple[Any, Any]],
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    waited_seconds: int,
    successor: bool,
    runs: bool,
) -> None:
    broker, parts = declared(redis)
    ran: list[int] = []

    def run(_broadcast_id: str, shard: int) -> bool:
        ran.append(shard)
        return False

    monkeypatch.setattr(parts.broadcasts.sender, "run", run)
    monkeypatch.setattr(jobs, "_waited", lambda: timedelta(seconds=waited_seconds))
    if successor:
        assert parts.storage.leases.take("broadcast", 7, ShardWork.SEND, SEND_LEASE)
    broker.actors["pump"]("broadcast", 7)
    assert ran == ([7] if runs else [])


@pytest.mark.parametrize(
    ("fault", "event"),
    [
        pytest.param(StoreUnavailableError("TimeoutError"), "sweep_postponed", id="Redis is away"),
        pytest.param(RuntimeError("a fault of ours"), "sweep_failed", id="a fault of ours"),
    ],
)
def test_the_scheduler_goes_on_whatever_breaks(monkeypatch: pytest.MonkeyPatch, fault: Exception, event: str) -> None:
    ticks: list[Exception] = []

    def fail() -> None:
        ticks.append(fault)
        raise fault

    monkeypatch.setattr(scheduler, "TICK_SECONDS", 0.01)
    ticking = TickEverySecond(fail)
    with structlog.testing.capture_logs() as lines:
        ticking.after_worker_boot(None, None)
        deadline = time.monotonic() + WITHIN_SECONDS
        while len(ticks) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        ticking.before_worker_shutdown(None, None)
    assert len(ticks) >= 3
    assert {line["event"] for line in lines} == {event}
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "scheduler")
    thread.join(WITHIN_SECONDS)
    assert not thread.is_alive()


def test_a_job_that_finds_no_redis_is_put_off(
    declared: Callable[[AnyRedis], tuple[Any, Any]], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, parts = declared(redis)

    def gone(*_args: object) -> bool:
        raise StoreUnavailableError("TimeoutError")

    monkeypatch.setattr(type(parts.broadcasts.sender), "run", gone)
    with structlog.testing.capture_logs() as lines:
        broker.get_actor("pump").fn("0" * 24, 3)
    assert [line["event"] for line in lines] == ["job_postponed", "job"]


def test_bad_settings_are_all_told_and_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(worker, "dramatiq_main", lambda _arguments: pytest.fail("it started"))
    monkeypatch.setenv("QUIET_HOURS", "always")
    monkeypatch.setenv("BROADCAST_WAVES", "all")
    assert run_command("worker") == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in told] == ["QUIET_HOURS", "BROADCAST_WAVES"]


def test_it_is_dramatiqs_own_supervisor_that_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[Any] = []
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "metrics"))
    monkeypatch.setattr(worker, "dramatiq_main", started.append)
    monkeypatch.setattr("dramatiq.broker.global_broker", None)
    assert worker.main() == 0
    (arguments,) = started
    assert arguments.broker == "onboarding_bot.worker:broker"
    assert import_broker(arguments.broker)[1] is dramatiq.get_broker()
    assert "pump" in dramatiq.get_broker().get_declared_actors()
    assert (arguments.processes, arguments.threads) == (worker.PROCESSES, worker.THREADS)


@pytest.mark.parametrize("part", ["the shards", "the queue"])
def test_a_scheduler_that_sends_nothing_is_no_sign_of_a_worker(
    declared: Callable[[AnyRedis], tuple[Any, Parts]],
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
) -> None:
    def gone(*_: Any) -> None:
        raise StoreUnavailableError("nobody answers")

    broker, parts = declared(redis)
    with monkeypatch.context() as away:
        if part == "the shards":
            away.setattr(parts.storage.store, "take_due", gone)
        else:
            away.setattr(parts.observability.heartbeats, "write_into_queue", gone)
        with pytest.raises(StoreUnavailableError):
            tick(broker)
        assert Heartbeat.WORKER not in parts.observability.heartbeats.read()
    tick(broker)
    assert Heartbeat.WORKER in parts.observability.heartbeats.read()


# --- extras --------------------------------------------------------------------------------------------------------


def test_the_scheduler_writes_missing_audit_lines(
    declared: Callable[[AnyRedis], tuple[Any, Any]],
    redis: Redis,
    clock: MovableClock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broker, parts = declared(redis)
    with pytest.MonkeyPatch.context() as without_log:
        without_log.setattr("onboarding_bot.storage.erasure_log.audit", lambda *_, **__: False)
        parts.storage.erasures.erase("0" * 32, clock.moment)
    clock.pass_(seconds=60)
    tick(broker)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [line["person_id"] for line in lines if line["event"] == "erased"] == ["0" * 32]


def test_a_heartbeat_that_cannot_be_written_keeps_nothing_waiting(
    declared: Callable[[AnyRedis], tuple[Any, Any]], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreUnavailableError("WRONGTYPE")

    broker, parts = declared(redis)
    monkeypatch.setattr(type(parts.observability.heartbeats), "write", fail)
    broadcast_id, _ = parts.storage.broadcast_records.create(Definition(message="Hi"), parts.clock.now(), None)
    tick(broker)
    assert parts.storage.broadcast_records.find(broadcast_id).status is not BroadcastStatus.COUNTING


def test_without_shared_locks_it_works_in_one_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "figures"))
    monkeypatch.setattr("multiprocessing.Event", fail)
    monkeypatch.setattr(worker, "_write_own_lines", lambda _level: None)
    monkeypatch.setattr(worker, "dramatiq_main", lambda _arguments: pytest.fail("processes would share locks"))
    monkeypatch.setattr(worker, "_run_alone", lambda _settings: 0)
    assert worker.main() == 0


def test_each_process_writes_its_lines_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dramatiq has put a pipe to its first process into the place of the streams."""
    said: list[str] = []
    monkeypatch.setattr(worker, "protect_standard_streams", lambda: said.append("streams"))
    monkeypatch.setattr(worker, "configure_logs", said.append)
    worker.OwnLines("WARNING").after_process_boot(None)
    assert said == ["streams", "WARNING"]
