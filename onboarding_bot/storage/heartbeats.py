"""When a worker, Twilio's webhooks and its callbacks were last heard of, and how long the oldest job waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum

from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.errors import unavailable_on_error, unix_milliseconds
from onboarding_bot.storage.keys import HEARTBEATS, QUEUE_LIST, QUEUE_MESSAGES, QUEUE_PROBE
from onboarding_bot.storage.scripts import Scripts
from onboarding_bot.storage.write_probe import LEFTOVER_MS

WRITTEN_AFTER_SECONDS = 2.0


class Heartbeat(StrEnum):
    """What is remembered with its time: MESSAGE is a message that Twilio took and has to call back about."""

    WORKER = "worker"
    WEBHOOK = "webhook"
    STATUS_CALLBACK = "status_callback"
    MESSAGE = "message"


class Heartbeats:
    """Reads and writes them. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis, queue: AnyRedis) -> None:
        self._client = client
        self._queue = Scripts(queue)

    def write(self, times: Mapping[Heartbeat, datetime]) -> None:
        """Remember these times."""
        with unavailable_on_error():
            self._client.hset(
                HEARTBEATS, mapping={sign.value: unix_milliseconds(moment) for sign, moment in times.items()}
            )

    def read(self) -> dict[Heartbeat, datetime]:
        """The last time of each; one that was never seen is missing."""
        with unavailable_on_error():
            found = self._client.hmget(HEARTBEATS, list(Heartbeat))
        # One that cannot be read has not been seen.
        return {sign: _moment(value) for sign, value in zip(Heartbeat, found, strict=True) if value and value.isdigit()}

    def oldest_job(self) -> datetime | None:
        """Since when the oldest job waits in the queue, None when no job does."""
        with unavailable_on_error():
            since = self._queue.run("oldest_job", {"queue": QUEUE_LIST, "messages": QUEUE_MESSAGES}, {})
        return _moment(since) if since else None

    def write_into_queue(self) -> None:
        """Return when the queue's Redis takes writes, as every job that is put in or taken out needs."""
        with unavailable_on_error():
            self._queue.run("write_probe", {"probe": QUEUE_PROBE}, {"life": LEFTOVER_MS})


class HeartbeatRecorder:
    """Notes signs in memory and writes them a little later, so that no message waits for it.

    Each process writes once in WRITTEN_AFTER_SECONDS at most, only the first of each kind at once: somebody may be
    waiting for that. While Redis is away they wait for the next one.
    """

    def __init__(
        self, signs: Heartbeats, now: Callable[[], datetime], after_seconds: float = WRITTEN_AFTER_SECONDS
    ) -> None:
        self._signs = signs
        self._now = now
        self._after_seconds = after_seconds
        self._lock = threading.Lock()
        self._times: dict[Heartbeat, datetime] = {}
        self._seen: set[Heartbeat] = set()
        self._is_waiting = False

    def note(self, sign: Heartbeat) -> None:
        """It was seen just now."""
        with self._lock:
            self._times[sign] = self._now()
            is_first = sign not in self._seen
            self._seen.add(sign)
            if self._is_waiting and not is_first:
                return
            self._is_waiting = True
        timer = threading.Timer(0 if is_first else self._after_seconds, self.write)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:
            # There is no thread to be had: the next sign tries again, and the message that brought this one goes on.
            with self._lock:
                self._is_waiting = False

    def write(self) -> None:
        """Write what was noted."""
        with self._lock:
            times, self._times = self._times, {}
            self._is_waiting = False
        if not times:
            return
        try:
            self._signs.write(times)
        except Exception as error:  # noqa: BLE001 - whatever it was, they wait for the next one
            if not isinstance(error, StoreUnavailableError):
                # What Redis does is told by whoever needs it.
                logger().warning("signs_not_written", **describe(error))
            with self._lock:
                self._times = times | self._times


def _moment(milliseconds: bytes | str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
