"""The scheduler: once a second one worker looks for work that is due, and puts a job for it into the queue."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from dramatiq.middleware import Middleware

from onboarding_bot.broadcasts.scheduler import BroadcastScheduler
from onboarding_bot.config import Settings
from onboarding_bot.errors import BotError, StoreUnavailableError
from onboarding_bot.jobs import Jobs
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.observability.tracing import follow, read_traceparent
from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.storage.heartbeats import Heartbeat
from onboarding_bot.wiring import Parts

TICK_SECONDS = 1.0
SCHEDULER_LEASE = timedelta(seconds=4)
# So many jobs add the recipients of a broadcast side by side. Measured with a million of them: with one for each shard
# Redis had no time for the first message until all of them were there.
RECIPIENT_LANES = 2
# Twilio may ask for minutes of silence; a reminder waits for them here, and not in one of the worker's threads.
NEAR_ENOUGH = timedelta(seconds=5)
# Due work that nobody finished by then is put into the queue again.
DUE_LEASE = timedelta(seconds=60)
# How late a session that has ended is counted.
EXPIRED_SESSIONS_EVERY_SECONDS = 60.0
# How long after the end of its retention period something is deleted.
RETENTION_EVERY_SECONDS = 3600.0
# How late the log gets the audit line of an erasure that it could not take at the erasure itself.
AUDIT_LINES_EVERY_SECONDS = 10.0
AUDIT_LINES_AFTER = timedelta(seconds=10)


class Scheduler:
    """Puts jobs into the queue, in whichever worker process holds the scheduler's lease."""

    def __init__(self, settings: Settings, parts: Parts, jobs: Jobs) -> None:
        storage = parts.storage
        self._parts = parts
        self._jobs = jobs
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._without_recipients: defaultdict[str, list[int]] = defaultdict(list)
        self._broadcasts = BroadcastScheduler(
            records=storage.broadcast_records,
            audiences=storage.audiences,
            recipients=storage.recipients,
            leases=storage.leases,
            add_recipients=lambda broadcast_id, shard: self._without_recipients[broadcast_id].append(shard),
            send=lambda broadcast_id, shard: _put(jobs.send, broadcast_id, shard),
            is_marketing=parts.sending.is_marketing,
            waves=settings.broadcast_waves,
            quiet_hours=settings.quiet_hours,
            now=parts.clock.now,
        )
        self._now_and_then = (
            _Every(EXPIRED_SESSIONS_EVERY_SECONDS, lambda: storage.store.count_expired_sessions(parts.clock.now())),
            _Every(RETENTION_EVERY_SECONDS, lambda: _put(jobs.retention)),
            _Every(
                AUDIT_LINES_EVERY_SECONDS,
                lambda: storage.erasures.log.write_missing_lines(parts.clock.now() - AUDIT_LINES_AFTER),
            ),
        )

    def tick(self) -> None:
        """Look once at everything that may be due. Raises StoreUnavailableError, and what Dramatiq's queue raises."""
        if not self._parts.storage.leases.take_scheduler(self._holder, SCHEDULER_LEASE):
            return
        self._put_due_work()
        self._broadcasts.tick()
        self._put_recipients()
        for chore in self._now_and_then:
            chore.look()
        self._write_heartbeat()

    def _put_due_work(self) -> None:
        is_paused = self._parts.storage.send_slots.is_paused(longer_than=NEAR_ENOUGH)
        for work, who in self._parts.storage.store.take_due(self._parts.clock.now(), DUE_LEASE):
            # A reminder that would only keep a thread waiting is due again when its lease is over.
            if not (is_paused and work is DueWork.REMINDER):
                self._jobs.due[work].send(who)

    def _put_recipients(self) -> None:
        for broadcast_id, shards in self._without_recipients.items():
            for lane in range(min(RECIPIENT_LANES, len(shards))):
                self._jobs.add_recipients.send(broadcast_id, *shards[lane::RECIPIENT_LANES])
        self._without_recipients.clear()

    def _write_heartbeat(self) -> None:
        """Last, and only where jobs can be put in: one that is stuck or sends nothing is no sign of a worker."""
        self._parts.observability.heartbeats.write_into_queue()
        try:
            self._parts.observability.heartbeats.write({Heartbeat.WORKER: self._parts.clock.now()})
        except StoreUnavailableError as error:
            # The work itself has said whether it can be done.
            logger().warning("signs_not_written", **describe(error))


class TickEverySecond(Middleware):
    """A thread in each worker process that has the scheduler tick."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._stop = threading.Event()

    def after_worker_boot(self, _broker: Any, _worker: Any) -> None:
        """Dramatiq's word that this process is ready for jobs."""
        threading.Thread(target=self._run, name="scheduler", daemon=True).start()

    def before_worker_shutdown(self, _broker: Any, _worker: Any) -> None:
        """Dramatiq's word that this process takes no more jobs."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            follow(read_traceparent(None))
            try:
                self._tick()
            except BotError as error:
                # Redis is away for a moment: the next second looks again.
                logger().error("sweep_postponed", code=error.code, **describe(error))
            except Exception as error:  # noqa: BLE001 - one broken broadcast must not end the care for all others
                logger().error("sweep_failed", **describe(error))


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


def _put(actor: Any, *ids: str | int) -> None:
    actor.send(*ids)
