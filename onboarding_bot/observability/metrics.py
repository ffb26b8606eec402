"""The metrics that Prometheus reads, added up over all processes of this server, those that have ended too.

https://prometheus.github.io/client_python/multiprocess/
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from onboarding_bot.observability.logs import report_lost_lines
from onboarding_bot.observability.metrics_files import AllFiles, files_in

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
NOT_WHATSAPP = "not_whatsapp"
WEBHOOK_OUTCOMES = (
    *("answered", "fallback", "failed", "postponed", "bad_form", "refused", "too_large"),
    NOT_WHATSAPP,
)
BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}
# A reply should be there within 2 s; after 12 s a webhook gives up.
_WEBHOOK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 12, 15)
_AUTH_API_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 10)
_OUTGOING_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30)

disable_created_metrics()
_REGISTRY = CollectorRegistry()

_webhook_requests = Counter(
    "webhook_requests_total", "Twilio's calls of the webhook and its fallback, by how they ended.", ["outcome"],
    registry=_REGISTRY,
)  # fmt: skip
_webhook_duration = Histogram(
    "webhook_duration_seconds", "How long a signed call of the webhook took.", buckets=_WEBHOOK_BUCKETS,
    registry=_REGISTRY,
)  # fmt: skip
_turns = Counter(
    "turns_total", "Turns that were stored, and replies that were repeated, by the step they began in.",
    ["step", "result"], registry=_REGISTRY,
)  # fmt: skip
_sign_ups = Counter("sign_ups_total", "Sign-ups that began and that were completed.", ["milestone"], registry=_REGISTRY)
_auth_api_requests = Counter(
    "auth_api_requests_total", "OTP requests to the auth API, by how the last try ended.", ["outcome"],
    registry=_REGISTRY,
)  # fmt: skip
_auth_api_duration = Histogram(
    "auth_api_duration_seconds", "How long an OTP request took with all its tries.", buckets=_AUTH_API_BUCKETS,
    registry=_REGISTRY,
)  # fmt: skip
_breaker_state = Gauge(
    "breaker_state", "The worst breaker before the auth API, as its last call left it: 0 closed, 1 half open, 2 open.",
    multiprocess_mode="livemax", registry=_REGISTRY,
)  # fmt: skip
_outgoing_requests = Counter(
    "outgoing_requests_total", "HTTP requests to other services, each try counted, by how they ended.",
    ["service", "outcome"], registry=_REGISTRY,
)  # fmt: skip
_outgoing_duration = Histogram(
    "outgoing_request_duration_seconds", "How long one HTTP request to another service took.", ["service"],
    buckets=_OUTGOING_BUCKETS, registry=_REGISTRY,
)  # fmt: skip
_broadcast_messages = Counter(
    "broadcast_messages_total", "How often a recipient of a broadcast came into a state.", ["state"],
    registry=_REGISTRY,
)  # fmt: skip
_redis_errors = Counter("redis_errors_total", "Calls that Redis did not answer, or refused.", registry=_REGISTRY)

_log_lines_dropped = Counter(
    "log_lines_dropped_total", "Lines of the log that could not be written.", registry=_REGISTRY
)


def begin(turn_steps: Iterable[str], milestones: Iterable[str], recipient_states: Iterable[str]) -> None:
    """Set each series to 0 that this process may count, so that Prometheus sees the first count as an increase."""
    for outcome in WEBHOOK_OUTCOMES:
        _webhook_requests.labels(outcome)
    for step in turn_steps:
        _turns.labels(step, "accepted")
    for milestone in milestones:
        _sign_ups.labels(milestone)
    for state in recipient_states:
        _broadcast_messages.labels(state)
    _auth_api_requests.labels("sent")
    _breaker_state.set(BREAKER_STATES["closed"])
    report_lost_lines(_log_lines_dropped.inc)


def webhook_ended(outcome: str, seconds: float | None) -> None:
    """Count a call of the webhook: one of WEBHOOK_OUTCOMES, and the seconds it took if its signature was good."""
    _webhook_requests.labels(outcome).inc()
    if seconds is not None:
        _webhook_duration.observe(seconds)


def turn_taken(step: str, result: str) -> None:
    """Count a turn that was stored, or an earlier reply that was repeated."""
    _turns.labels(step, result).inc()


def milestone_reached(milestone: str) -> None:
    """Count a sign-up that began, or was completed."""
    _sign_ups.labels(milestone).inc()


def auth_api_answered(outcome: str, seconds: float, breaker: str) -> None:
    """Count an OTP request, with all its tries, and note the state that it left the breaker in."""
    _auth_api_requests.labels(outcome).inc()
    _auth_api_duration.observe(seconds)
    _breaker_state.set(BREAKER_STATES[breaker])


def outgoing_request_ended(service: str, outcome: str, seconds: float) -> None:
    """Count one HTTP request to a service that ended after ``seconds`` as ``http_2xx``, ``timeout`` and the like."""
    _outgoing_requests.labels(service, outcome).inc()
    _outgoing_duration.labels(service).observe(seconds)


def recipient_became(state: str, count: int = 1) -> None:
    """Count recipients of a broadcast that came into a state."""
    _broadcast_messages.labels(state).inc(count)


def redis_failed() -> None:
    """Count a call that Redis did not answer, or refused."""
    _redis_errors.inc()


def exposition(folder: Path | None, more: Iterable[Metric] = ()) -> bytes:
    """All metrics in Prometheus's text format; ``folder`` is where this server's processes keep theirs, if anywhere.

    ``more`` are families that the caller has measured itself.
    """
    registry = CollectorRegistry()
    if folder:
        registry.register(AllFiles(folder))
    else:
        registry.register(_Measured(_REGISTRY.collect()))
    registry.register(_Measured(_processes(folder)))
    registry.register(_Measured(more))
    return generate_latest(registry)


class _Measured(Collector):
    """Families that are measured already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _processes(folder: Path | None) -> list[Metric]:
    """Memory, CPU time and open files of each process that is alive, by its ``pid``."""
    # A process has files of "live" gauges until it ends.
    found = [path.stem.rpartition("_")[2] for path in files_in(folder, "gauge_live*.db")] if folder else ["self"]
    families: dict[str, Metric] = {}
    for pid in sorted(set(found)):
        for family in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                known.add_sample(sample.name, {"pid": pid}, sample.value)
    return list(families.values())
