"""Heartbeats: when a worker, Twilio's webhooks and its callbacks were last seen, and how long the oldest job waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum

from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import HEARTBEATS, QUEUE_LIST, QUEUE_MESSAGES, QUEUE_PROBE
from onboarding_bot.storage.milliseconds import moment_at, unix_milliseconds
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.scripts import Scripts
from onboarding_bot.storage.write_probe import PROBE_LIFE_MS

WRITTEN_AFTER_SECONDS = 2.0


class Heartbeat(StrEnum):
    """What has a heartbeat. MESSAGE is a message that Twilio took, for which a status callback is expected."""

    WORKER = "worker"
    WEBHOOK = "webhook"
    STATUS_CALLBACK = "status_callback"
    MESSAGE = "message"


class Heartbeats:
    """Reads and writes heartbeats. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis, queue: AnyRedis) -> None:
        self._client = client
        self._queue = Scripts(queue)

    def write(self, times: Mapping[Heartbeat, datetime]) -> None:
        """Store the times of these heartbeats."""
        with unavailable_on_error():
            self._client.hset(
                HEARTBEATS,
                mapping={heartbeat.value: unix_milliseconds(moment) for heartbeat, moment in times.items()},
            )

    def read(self) -> dict[Heartbeat, datetime]:
        """The last time of each heartbeat; one that was never seen is missing, and so is one that cannot be read."""
        with unavailable_on_error():
            found = self._client.hmget(HEARTBEATS, list(Heartbeat))
        return {
            heartbeat: moment_at(value)
            for heartbeat, value in zip(Heartbeat, found, strict=True)
            if value and value.isdigit()
        }

    def oldest_job(self) -> datetime | None:
        """Since when the oldest job waits in the queue, None when no job does."""
        with unavailable_on_error():
            since = self._queue.run("oldest_job", {"queue": QUEUE_LIST, "messages": QUEUE_MESSAGES}, {})
        return moment_at(since) if since else None

    def write_into_queue(self) -> None:
        """Return when the queue's Redis takes writes, as every job needs that is put in or taken out."""
        with unavailable_on_error():
            self._queue.run("write_probe", {"probe": QUEUE_PROBE}, {"life": PROBE_LIFE_MS})


class HeartbeatRecorder:
    """Collects heartbeats in memory and writes them a little later, so that no message waits for it.

    Each process writes once in WRITTEN_AFTER_SECONDS at most. Only the first heartbeat of each kind is written at once:
    an operator who has just started the bot looks for it. While Redis is away they wait for the next write.
    """

    def __init__(
        self, heartbeats: Heartbeats, now: Callable[[], datetime], after_seconds: float = WRITTEN_AFTER_SECONDS
    ) -> None:
        self._heartbeats = heartbeats
        self._now = now
        self._after_seconds = after_seconds
        self._lock = threading.Lock()
        self._times: dict[Heartbeat, datetime] = {}
        self._seen: set[Heartbeat] = set()
        self._is_write_planned = False

    def note(self, heartbeat: Heartbeat) -> None:
        """Record that this was seen just now."""
        with self._lock:
            self._times[heartbeat] = self._now()
            is_first = heartbeat not in self._seen
            self._seen.add(heartbeat)
            if self._is_write_planned and not is_first:
                return
            self._is_write_planned = True
        timer = threading.Timer(0 if is_first else self._after_seconds, self.write)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:
            # No thread is left: the next heartbeat tries again, and the message that brought this one goes on.
            with self._lock:
                self._is_write_planned = False

    def write(self) -> None:
        """Write what was collected."""
        with self._lock:
            times, self._times = self._times, {}
            self._is_write_planned = False
        if not times:
            return
        try:
            self._heartbeats.write(times)
        except Exception as error:  # noqa: BLE001 - after any error the times wait for the next write
            if not isinstance(error, StoreUnavailableError):
                # An outage of Redis is logged where a command fails that a reply or a job needs.
                logger().warning("signs_not_written", **describe(error))
            with self._lock:
                self._times = times | self._times
