"""How the bot and what it leans on are doing, told within two seconds whatever hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

from prometheus_client.metrics_core import Metric

from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.web.heartbeat_checks import Finding, HeartbeatChecks
from onboarding_bot.web.observability_checks import services_up

PROBE_SECONDS = 1.2
ANSWER_SECONDS = 1.6
AUTH_API_CACHE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class HealthReport:
    """``status`` is healthy, degraded (a part is not well) or unhealthy (Redis takes no writes: nobody is answered)."""

    status: str
    services: dict[str, dict[str, Any]]
    uptime_seconds: float


class HealthCheck:
    """Asks Redis every time and the auth API at most every five seconds, all at once.

    ``probe_store`` writes as a turn does: it returns those servers of a cluster that take no writes, and raises
    StoreUnavailableError when none does.
    """

    def __init__(
        self,
        probe_store: Callable[[], Sequence[str]],
        auth_api_is_healthy: Callable[[float], bool],
        clock: Callable[[], float] = time.monotonic,
        heartbeat_checks: HeartbeatChecks | None = None,
        extras: Callable[[], dict[str, Finding]] = dict,
    ) -> None:
        self._probe_store = probe_store
        self._auth_api_is_healthy = auth_api_is_healthy
        self._vital_signs = heartbeat_checks
        self._extras = extras
        self._clock = clock
        self._started = clock()
        self._redis_probes = ThreadPoolExecutor(max_workers=24, thread_name_prefix="health-redis")
        # A thread of its own: however long the auth API hangs, nobody waits behind it to hear of Redis.
        self._auth_api_probes = ThreadPoolExecutor(max_workers=1, thread_name_prefix="health-auth-api")
        self._auth_api_lock = threading.Lock()
        self._auth_api_probe: Future[dict[str, Any]] | None = None
        self._auth_api_asked = 0.0

    def report(self) -> HealthReport:
        """All services, probed side by side."""
        asked = self._clock()
        redis_probe, auth_api_probe = self._ask_redis(), self._ask_auth_api(asked)
        signs_probe, queue_probe = self._ask_signs()
        services = {
            "redis": self._result(redis_probe, asked),
            "auth_api": self._result(auth_api_probe, asked),
            **self._findings(signs_probe, asked),
            **self._findings(queue_probe, asked),
            **self._extras(),
        }
        return HealthReport(_overall(services), services, round(self._clock() - self._started, 1))

    def metrics(self) -> Iterable[Metric]:
        """The same for Prometheus."""
        return [services_up(self.report().services)]

    def redis_answers(self) -> bool:
        """Whether messages can be handled: at least those of some people."""
        return bool(self._result(self._ask_redis(), self._clock())["status"] != "unhealthy")

    def _ask_redis(self) -> Future[dict[str, Any]]:
        return self._redis_probes.submit(self._timed, self._redis)

    def _ask_signs(self) -> tuple[Future[dict[str, Finding]], Future[dict[str, Finding]]]:
        return self._redis_probes.submit(self._signs), self._redis_probes.submit(self._queue)

    def _signs(self) -> dict[str, Finding]:
        """Without Redis nobody knows how they are: then it is Redis that is ill."""
        try:
            return self._vital_signs.findings() if self._vital_signs else {}
        except StoreUnavailableError:
            return {}

    def _queue(self) -> dict[str, Finding]:
        try:
            return {"queue": self._vital_signs.queue()} if self._vital_signs else {}
        except StoreUnavailableError:
            return {"queue": {"status": "unhealthy", "oldest_job_seconds": None}}

    def _findings(self, probe: Future[dict[str, Finding]], asked: float) -> dict[str, Finding]:
        try:
            return probe.result(timeout=max(0.0, asked + ANSWER_SECONDS - self._clock()))
        except FutureTimeoutError:
            return {}

    def _ask_auth_api(self, asked: float) -> Future[dict[str, Any]]:
        """The probe that is under way or still fresh, or else a new one: there is never more than one at a time."""
        with self._auth_api_lock:
            last = self._auth_api_probe
            is_old = asked - self._auth_api_asked >= AUTH_API_CACHE_SECONDS
            if last is None or (last.done() and is_old):
                last = self._auth_api_probes.submit(self._timed, self._auth_api)
                self._auth_api_probe, self._auth_api_asked = last, asked
            return last

    def _result(self, probe: Future[dict[str, Any]], asked: float) -> dict[str, Any]:
        left = max(0.0, asked + ANSWER_SECONDS - self._clock())
        try:
            return probe.result(timeout=left)
        except FutureTimeoutError:
            return {"status": "unhealthy", "response_ms": round((self._clock() - asked) * 1000, 1)}

    def _redis(self) -> dict[str, Any]:
        try:
            unavailable = self._probe_store()
        except StoreUnavailableError as error:
            return {"status": "unhealthy", "reason": str(error)}
        return {"status": "degraded", "unavailable": list(unavailable)} if unavailable else {"status": "healthy"}

    def _auth_api(self) -> dict[str, Any]:
        return {"status": "healthy" if self._auth_api_is_healthy(PROBE_SECONDS) else "unhealthy"}

    def _timed(self, probe: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        started = self._clock()
        found = probe()
        return found | {"response_ms": round((self._clock() - started) * 1000, 1)}


def _overall(services: dict[str, dict[str, Any]]) -> str:
    if services["redis"]["status"] == "unhealthy":
        return "unhealthy"
    is_degraded = any(service["status"] in {"unhealthy", "degraded"} for service in services.values())
    return "degraded" if is_degraded else "healthy"
