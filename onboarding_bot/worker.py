"""The worker process: Dramatiq's jobs, and the sweep that puts them into the queue.

``python -m onboarding_bot.worker`` starts it; any number may run, on any number of machines.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.cli import main as dramatiq_main
from dramatiq.cli import make_argument_parser
from dramatiq.middleware import CurrentMessage, Middleware
from werkzeug.serving import WSGIRequestHandler, make_server

from onboarding_bot.app import Parts, build_parts, create_metrics_app
from onboarding_bot.broadcasts.scheduler import BroadcastScheduler
from onboarding_bot.broadcasts.sender import SEND_LEASE
from onboarding_bot.config import METRICS_FOLDER, Settings, load_settings, metrics_folder, read_environment
from onboarding_bot.errors import BotError, SettingsError, StoreUnavailableError
from onboarding_bot.listen_addresses import all_addresses
from onboarding_bot.observability.line_output import protect_standard_streams
from onboarding_bot.observability.logs import configure_logs, describe, logger
from onboarding_bot.observability.metrics_folder import folder_of_this_process, make_anew, remove
from onboarding_bot.observability.tracing import current_trace, follow, read_traceparent
from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.storage.connection import AnyRedis, connect
from onboarding_bot.storage.heartbeats import Heartbeat
from onboarding_bot.storage.keys import QUEUE, QUEUE_NAMESPACE
from onboarding_bot.storage.leases import ShardWork

MODULE = "onboarding_bot.worker"
PROCESSES = 2
# Twilio takes about 50 ms for a message: this many threads keep the default rate with some to spare.
THREADS = 16
URGENT, ROWS, BULK = 0, 50, 100
# So many jobs make the rows of a broadcast side by side. Measured with a million recipients: with one for each shard
# Redis had no time for the first message until all rows were there.
ENROL_LANES = 2
SWEEP_EVERY_SECONDS = 1.0
SWEEPER_LEASE = timedelta(seconds=4)
# Twilio may ask for minutes of silence; a reminder waits for them here, and not in one of the threads.
NEAR_ENOUGH = timedelta(seconds=5)
# Due work that nobody finished by then is put into the queue again.
DUE_LEASE = timedelta(seconds=60)
# How late a session that has ended is counted.
EXPIRED_SESSIONS_EVERY_SECONDS = 60.0
# How late something goes whose time is over.
RETENTION_EVERY_SECONDS = 3600.0
# How late the log gets a line that it could not take; whoever erased somebody writes it at once where that is possible.
OWED_LINES_EVERY_SECONDS = 10.0
OWED_LINES_AFTER = timedelta(seconds=10)
# A port that somebody else has may be free again later.
METRICS_PORT_EVERY_SECONDS = 5.0
# Measured: with these a worker that was killed gives its jobs back after 12 s; with the defaults after minutes.
HEARTBEAT_MS = 5_000
JOB_MS = 600_000
MAINTENANCE_PERCENT = 10
# How long the queue's Redis may take for an answer: a server that has been replaced is noticed in that time.
QUEUE_SECONDS = 2.0
# How soon a queue that was away is asked again: with Dramatiq's own 3 s jobs would wait beyond the 5 s of a return.
dramatiq.worker.CONSUMER_RESTART_DELAY_SECS = 1.0
MAINTENANCE_CHANCE = 1_000_000 // 100 * MAINTENANCE_PERCENT


Actor = dramatiq.Actor[Any, Any]


class SweepEverySecond(Middleware):
    """A thread in each worker process that sweeps while this process holds the lease."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._stop = threading.Event()

    def after_worker_boot(self, _broker: Any, _worker: Any) -> None:
        """Dramatiq's word that this process is ready for jobs."""
        threading.Thread(target=self._run, name="sweep", daemon=True).start()

    def before_worker_shutdown(self, _broker: Any, _worker: Any) -> None:
        """Dramatiq's word that this process takes no more jobs."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(SWEEP_EVERY_SECONDS):
            follow(read_traceparent(None))
            try:
                self._tick()
            except BotError as error:
                # Redis is away for a moment: the next second looks again.
                logger().error("sweep_postponed", code=error.code, **describe(error))
            except Exception as error:  # noqa: BLE001 - one broken broadcast must not end the care for all others
                logger().error("sweep_failed", **describe(error))


class FollowTraces(Middleware):
    """A job belongs to the trace of whoever put it into the queue."""

    def before_enqueue(self, _broker: Any, message: Any, _delay: int | None) -> None:
        """Send the trace along."""
        message.options["traceparent"] = current_trace().traceparent()

    def before_process_message(self, _broker: Any, message: Any) -> None:
        """Go on with it."""
        follow(read_traceparent(message.options.get("traceparent")))


class OwnLines(Middleware):
    """Each process writes its lines itself: Dramatiq's way leads through its first process, which waits for readers."""

    def __init__(self, log_level: str) -> None:
        self._log_level = log_level

    def after_process_boot(self, _broker: Any) -> None:
        """Dramatiq's word that this process has put its own streams into place."""
        _write_own_lines(self._log_level)


class MetricsPort(Middleware):
    """A process beside the worker's own that shows their metrics."""

    @property
    def forks(self) -> list[Callable[[], int]]:
        """What Dramatiq runs in a process of its own."""
        return [show_metrics]


class _WithoutLog(WSGIRequestHandler):
    def log(self, _type: str, _message: str, *_args: Any) -> None:
        """The app writes a line about each request itself."""


def show_metrics() -> int:
    """Answer ``GET /metrics`` on WORKER_METRICS_PORT until a signal ends it; a port that is taken is tried again."""
    settings = load_settings(read_environment())
    _write_own_lines(settings.log_level)
    app = create_metrics_app(settings)
    port = settings.worker_metrics_port or 0
    while True:
        try:
            listeners = _listen(port)
        except OSError as error:
            logger().error("metrics_port_taken", port=port, **describe(error))
            time.sleep(METRICS_PORT_EVERY_SECONDS)
            continue
        first, *others = [
            make_server(
                listener.getsockname()[0], port, app, threaded=True, request_handler=_WithoutLog, fd=listener.fileno()
            )
            for listener in listeners
        ]
        for other in others:
            threading.Thread(target=other.serve_forever, daemon=True).start()
        first.serve_forever()


def _listen(port: int) -> list[socket.socket]:
    addresses = all_addresses()
    listeners: list[socket.socket] = []
    try:
        for address in addresses:
            is_ipv6 = ":" in address
            listeners.append(
                socket.create_server(
                    (address, port),
                    family=socket.AF_INET6 if is_ipv6 else socket.AF_INET,
                    dualstack_ipv6=is_ipv6 and len(addresses) == 1,
                )
            )
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def declare(settings: Settings, client: AnyRedis | None = None) -> RedisBroker:
    """A broker with all jobs and the sweep declared on it. A job's arguments are ids, never a person's data."""
    broker = RedisBroker(
        client=client or connect(settings.queue_url, answer_seconds=QUEUE_SECONDS),
        namespace=QUEUE_NAMESPACE,
        heartbeat_timeout=HEARTBEAT_MS,
        maintenance_chance=MAINTENANCE_CHANCE,
    )
    parts = build_parts(settings)

    def job(name: str, work: Callable[..., None], priority: int) -> Actor:
        # No retries of dramatiq's own: the sweep puts a job in again as long as there is something to do.
        return dramatiq.actor(
            broker=broker, actor_name=name, queue_name=QUEUE, priority=priority, max_retries=0, time_limit=JOB_MS
        )(_logged(name, work, priority))

    def pump_and_go_on(broadcast_id: str, shard: int) -> None:
        # A job that waited for longer than its lease may have a successor in the queue: one of the two is enough.
        if _waited() > SEND_LEASE and not parts.leases.take(broadcast_id, shard, ShardWork.SEND, SEND_LEASE):
            return
        if parts.broadcast_sender.run(broadcast_id, shard):
            pump.send(broadcast_id, shard)

    def try_otp_again(person_id: str) -> None:
        if news := parts.bot.try_otp_again(person_id):
            sent = parts.send_transactional(news.address, news.text)
            logger().info("late_otp_news", outcome=sent.result, code=sent.code)

    def enrol_and_go_on(broadcast_id: str, shard: int, *rest: int) -> None:
        parts.audience.add_recipients(broadcast_id, shard)
        if rest:
            enrol.send(broadcast_id, *rest)

    retention = job("retention", parts.retention.run, BULK)
    enrol = job("enrol", enrol_and_go_on, ROWS)
    pump = job("pump", pump_and_go_on, BULK)
    due = {
        DueWork.REMINDER: job("nudge", parts.reminders.remind, URGENT),
        DueWork.OTP: job("otp", try_otp_again, URGENT),
        DueWork.MESSAGES: job("delete_messages", parts.message_deletions.run, BULK),
        DueWork.BROADCAST: job("begin", parts.broadcasts.begin, URGENT),
    }
    broker.add_middleware(OwnLines(settings.log_level))
    broker.add_middleware(CurrentMessage())
    broker.add_middleware(FollowTraces())
    broker.add_middleware(SweepEverySecond(_sweeping(settings, parts, enrol, pump, retention, due)))
    if settings.worker_metrics_port:
        broker.add_middleware(MetricsPort())
    return broker


def _sweeping(
    settings: Settings, parts: Parts, enrol: Actor, pump: Actor, retention: Actor, due: Mapping[DueWork, Actor]
) -> Callable[[], None]:
    worker = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    without_rows: defaultdict[str, list[int]] = defaultdict(list)
    sweep = BroadcastScheduler(
        records=parts.broadcast_records,
        audiences=parts.audiences,
        recipients=parts.recipients,
        leases=parts.leases,
        add_recipients=lambda broadcast_id, shard: without_rows[broadcast_id].append(shard),
        send=lambda broadcast_id, shard: _put(pump, broadcast_id, shard),
        is_marketing=parts.is_marketing,
        waves=settings.broadcast_waves,
        quiet_hours=settings.quiet_hours,
        now=parts.now,
    )

    books = _Every(EXPIRED_SESSIONS_EVERY_SECONDS, lambda: parts.store.count_expired_sessions(parts.now()))
    rounds = _Every(RETENTION_EVERY_SECONDS, lambda: _put(retention))
    owed_lines = _Every(
        OWED_LINES_EVERY_SECONDS, lambda: parts.erasures.log.write_missing_lines(parts.now() - OWED_LINES_AFTER)
    )

    def tick() -> None:
        if not parts.leases.take_scheduler(worker, SWEEPER_LEASE):
            return
        is_paused = parts.slots.is_paused(longer_than=NEAR_ENOUGH)
        for work, who in parts.store.take_due(parts.now(), DUE_LEASE):
            # A reminder that would only keep a thread waiting is due again when its lease is over.
            if not (is_paused and work is DueWork.REMINDER):
                due[work].send(who)
        sweep.tick()
        for broadcast_id, shards in without_rows.items():
            for lane in range(min(ENROL_LANES, len(shards))):
                enrol.send(broadcast_id, *shards[lane::ENROL_LANES])
        without_rows.clear()
        books.look()
        rounds.look()
        owed_lines.look()
        # Last, and only where jobs can be put in: a sweep that gets stuck or sends nothing is no sign of a worker.
        parts.signs.write_into_queue()
        try:
            parts.signs.write({Heartbeat.WORKER: parts.now()})
        except StoreUnavailableError as error:
            # The work itself has said whether it can be done.
            logger().warning("signs_not_written", **describe(error))

    return tick


class _Every:
    """Does some work at most once in so many seconds, however often it is looked after."""

    def __init__(self, seconds: float, work: Callable[[], None]) -> None:
        self._seconds = seconds
        self._work = work
        self._next = time.monotonic()

    def look(self) -> None:
        if time.monotonic() >= self._next:
            self._work()
            self._next = time.monotonic() + self._seconds


def _waited() -> timedelta:
    """How long the job at hand stood in the queue."""
    message = CurrentMessage.get_current_message()
    return timedelta(milliseconds=time.time() * 1000 - message.message_timestamp) if message else timedelta()


def _put(actor: Actor, *ids: str | int) -> None:
    actor.send(*ids)


def _logged(name: str, work: Callable[..., None], priority: int) -> Callable[..., None]:
    # A broadcast is thousands of jobs; what happens to it has lines of its own.
    level = logging.DEBUG if priority > URGENT else logging.INFO

    def run(*ids: str | int) -> None:
        began, outcome = time.monotonic(), "failed"
        try:
            work(*ids)
            outcome = "done"
        except BotError as error:
            outcome = "postponed"
            logger().error("job_postponed", job=name, code=error.code, **describe(error))
        finally:
            duration = round(time.monotonic() - began, 4)
            logger().log(level, "job", job=name, outcome=outcome, duration=duration)

    return run


def _from_environment() -> RedisBroker:
    settings = load_settings(read_environment())
    configure_logs(settings.log_level)
    return declare(settings)


def main() -> int:
    """Run Dramatiq's own supervisor over this module."""
    try:
        settings = load_settings(read_environment())
    except SettingsError as error:
        print("\n".join(error.lines), file=sys.stderr)
        return 1
    _write_own_lines(settings.log_level)
    folder = metrics_folder()
    if folder is None:
        _begin_again_with_metrics()
    try:
        return _run_processes() if _may_share_locks() else _run_alone(settings)
    finally:
        if folder:
            remove(folder)


def _run_processes() -> int:
    arguments = [f"{MODULE}:broker", "--processes", str(PROCESSES), "--threads", str(THREADS), "--skip-logging"]
    return int(dramatiq_main(make_argument_parser().parse_args(arguments)) or 0)


def _may_share_locks() -> bool:
    """Whether processes can have locks together: those are files in memory, which may be full."""
    try:
        multiprocessing.Event()
    except OSError as error:
        logger().error("worker_alone", **describe(error))
        return False
    return True


def _run_alone(settings: Settings) -> int:
    """Do the work in this one process, with threads alone."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: ended.set())
    broker = declare(settings)
    broker.emit_after("process_boot")
    if settings.worker_metrics_port:
        threading.Thread(target=show_metrics, name="metrics", daemon=True).start()
    worker = dramatiq.Worker(broker, worker_threads=THREADS)
    worker.start()
    ended.wait()
    worker.stop()
    broker.close()
    return 0


def _write_own_lines(log_level: str) -> None:
    protect_standard_streams()
    configure_logs(log_level)


def _begin_again_with_metrics() -> None:
    """Replace this process by itself: only what knows the folder from its first import on adds its metrics up there."""
    folder = folder_of_this_process("worker")
    make_anew(folder)
    os.execve(  # noqa: S606 - no shell is wanted
        sys.executable, [sys.executable, "-m", MODULE], read_environment() | {METRICS_FOLDER: str(folder)}
    )


if __name__ == "__main__":
    raise SystemExit(main())

# Dramatiq's processes import this module, and look for the broker in it.
broker = _from_environment()
