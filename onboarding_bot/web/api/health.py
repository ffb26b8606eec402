"""Health checks of the bot and of what it depends on, answered within two seconds even when a part hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.observability.logs import log_is_well
from onboarding_bot.observability.metrics_files import is_complete
from onboarding_bot.web.api.heartbeat_checks import HeartbeatChecks
from onboarding_bot.web.api.operations.monitoring import OverallStatus, PartHealth

PROBE_SECONDS = 1.2
ANSWER_SECONDS = 1.6
AUTH_API_CACHE_SECONDS = 5.0

Parts = dict[str, PartHealth]


@dataclass(frozen=True, slots=True)
class HealthReport:
    """``status`` is healthy, degraded (a part is not well) or unhealthy (Redis takes no writes: nobody is answered)."""

    status: OverallStatus
    services: Parts
    uptime_seconds: float


class HealthCheck:
    """Probes Redis at every report and the auth API at most every five seconds, all parts side by side.

    ``probe_store`` writes as a turn does: it returns those servers of a cluster that take no writes, and raises
    StoreUnavailableError when none does. ``local_parts`` are those of this process, which answer at once.
    """

    def __init__(
        self,
        probe_store: Callable[[], Sequence[str]],
        auth_api_is_healthy: Callable[[float], bool],
        clock: Callable[[], float] = time.monotonic,
        heartbeat_checks: HeartbeatChecks | None = None,
        local_parts: Callable[[], Parts] = dict,
    ) -> None:
        self._probe_store = probe_store
        self._auth_api_is_healthy = auth_api_is_healthy
        self._heartbeat_checks = heartbeat_checks
        self._local_parts = local_parts
        self._clock = clock
        self._started = clock()
        self._redis_probes = ThreadPoolExecutor(max_workers=24, thread_name_prefix="health-redis")
        # A thread of its own: however long the auth API hangs, the probes of Redis do not wait behind it.
        self._auth_api_probes = ThreadPoolExecutor(max_workers=1, thread_name_prefix="health-auth-api")
        self._auth_api_lock = threading.Lock()
        self._auth_api_probe: Future[PartHealth] | None = None
        self._auth_api_asked = 0.0

    def report(self) -> HealthReport:
        """The health of all parts."""
        asked = self._clock()
        redis_probe, auth_api_probe = self._ask_redis(), self._ask_auth_api(asked)
        heartbeats_probe = self._redis_probes.submit(self._heartbeats)
        queue_probe = self._redis_probes.submit(self._queue)
        services: Parts = {
            "redis": self._result(redis_probe, asked),
            "auth_api": self._result(auth_api_probe, asked),
            **self._parts(heartbeats_probe, asked),
            **self._parts(queue_probe, asked),
            **self._local_parts(),
        }
        return HealthReport(_overall(services), services, round(self._clock() - self._started, 1))

    def metrics(self) -> Iterable[Metric]:
        """The health of all parts for Prometheus."""
        return [health_metric(self.report().services)]

    def redis_answers(self) -> bool:
        """Whether messages can be handled: at least those of some people."""
        return self._result(self._ask_redis(), self._clock())["status"] != "unhealthy"

    def _ask_redis(self) -> Future[PartHealth]:
        return self._redis_probes.submit(self._timed, self._redis)

    def _heartbeats(self) -> Parts:
        """Without Redis the heartbeats cannot be read: then only Redis is unhealthy."""
        try:
            return self._heartbeat_checks.parts() if self._heartbeat_checks else {}
        except StoreUnavailableError:
            return {}

    def _queue(self) -> Parts:
        try:
            return {"queue": self._heartbeat_checks.queue()} if self._heartbeat_checks else {}
        except StoreUnavailableError:
            return {"queue": {"status": "unhealthy", "oldest_job_seconds": None}}

    def _parts(self, probe: Future[Parts], asked: float) -> Parts:
        try:
            return probe.result(timeout=max(0.0, asked + ANSWER_SECONDS - self._clock()))
        except FutureTimeoutError:
            return {}

    def _ask_auth_api(self, asked: float) -> Future[PartHealth]:
        """The probe that is under way or still fresh, or else a new one: there is never more than one at a time."""
        with self._auth_api_lock:
            last = self._auth_api_probe
            is_old = asked - self._auth_api_asked >= AUTH_API_CACHE_SECONDS
            if last is None or (last.done() and is_old):
                last = self._auth_api_probes.submit(self._timed, self._auth_api)
                self._auth_api_probe, self._auth_api_asked = last, asked
            return last

    def _result(self, probe: Future[PartHealth], asked: float) -> PartHealth:
        left = max(0.0, asked + ANSWER_SECONDS - self._clock())
        try:
            return probe.result(timeout=left)
        except FutureTimeoutError:
            return {"status": "unhealthy", "response_ms": round((self._clock() - asked) * 1000, 1)}

    def _redis(self) -> PartHealth:
        try:
            unavailable = self._probe_store()
        except StoreUnavailableError as error:
            return {"status": "unhealthy", "reason": str(error)}
        return {"status": "degraded", "unavailable": list(unavailable)} if unavailable else {"status": "healthy"}

    def _auth_api(self) -> PartHealth:
        return {"status": "healthy" if self._auth_api_is_healthy(PROBE_SECONDS) else "unhealthy"}

    def _timed(self, probe: Callable[[], PartHealth]) -> PartHealth:
        started = self._clock()
        found = probe()
        found["response_ms"] = round((self._clock() - started) * 1000, 1)
        return found


def observability_parts(metrics_folder: Path | None) -> Parts:
    """The health of this process's log (do its lines get out?) and of its metrics (are all in their folder?)."""
    return {
        "log": {"status": "healthy" if log_is_well() else "unhealthy"},
        "metrics": {"status": "healthy" if is_complete(metrics_folder) else "unhealthy"},
    }


def health_metric(parts: Mapping[str, PartHealth]) -> Metric:
    """The parts of /health for Prometheus; one that waits for its first heartbeat counts as healthy."""
    help_text = "Whether a part that /health tells of is well: 1, or 0."
    family = GaugeMetricFamily("health_service_up", help_text, labels=["service"])
    for name, part in parts.items():
        family.add_metric([name], float(part["status"] in {"healthy", "waiting"}))
    return family


def _overall(parts: Parts) -> OverallStatus:
    if parts["redis"]["status"] == "unhealthy":
        return "unhealthy"
    is_degraded = any(part["status"] in {"unhealthy", "degraded"} for part in parts.values())
    return "degraded" if is_degraded else "healthy"
