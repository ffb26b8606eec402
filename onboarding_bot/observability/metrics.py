"""What Prometheus reads: the bot's counters, added up over all processes of this server, whatever became of them.

https://prometheus.github.io/client_python/multiprocess/
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from onboarding_bot.observability.logs import tell_lost_lines
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
    """Show what nothing has been counted of yet as 0, so that a first count is a rise, and this process as alive."""
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
    tell_lost_lines(_log_lines_dropped.inc)


def webhook_ended(outcome: str, seconds: float | None) -> None:
    """One call of the webhook: one of WEBHOOK_OUTCOMES, and how long it took if its signature was good."""
    _webhook_requests.labels(outcome).inc()
    if seconds is not None:
        _webhook_duration.observe(seconds)


def turn_taken(step: str, result: str) -> None:
    """One turn is stored, or an earlier reply was repeated."""
    _turns.labels(step, result).inc()


def milestone_reached(milestone: str) -> None:
    """A sign-up began, or was completed."""
    _sign_ups.labels(milestone).inc()


def auth_api_answered(outcome: str, seconds: float, breaker: str) -> None:
    """One OTP request has ended, and this is the state that it left the breaker in."""
    _auth_api_requests.labels(outcome).inc()
    _auth_api_duration.observe(seconds)
    _breaker_state.set(BREAKER_STATES[breaker])


def outgoing_request_ended(service: str, outcome: str, seconds: float) -> None:
    """One HTTP request to a service has ended after ``seconds``, as ``http_2xx``, ``timeout`` and the like."""
    _outgoing_requests.labels(service, outcome).inc()
    _outgoing_duration.labels(service).observe(seconds)


def recipient_became(state: str, count: int = 1) -> None:
    """So many recipients of a broadcast came into a state."""
    _broadcast_messages.labels(state).inc(count)


def redis_failed() -> None:
    """One call did not come back from Redis as it should."""
    _redis_errors.inc()


def exposition(folder: Path | None, more: Iterable[Metric] = ()) -> bytes:
    """Everything in Prometheus's text format; ``folder`` is where the processes of this server keep their figures."""
    registry = CollectorRegistry()
    if folder:
        registry.register(AllFiles(folder))
    else:
        registry.register(_Given(_REGISTRY.collect()))
    registry.register(_Given(_processes(folder)))
    registry.register(_Given(more))
    return generate_latest(registry)


class _Given(Collector):
    """Figures that are known already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _processes(folder: Path | None) -> list[Metric]:
    """Memory, CPU and open files of each living process, by its ``pid``."""
    # The files of "live" gauges are removed when a process ends.
    found = [path.stem.rpartition("_")[2] for path in files_in(folder, "gauge_live*.db")] if folder else ["self"]
    families: dict[str, Metric] = {}
    for pid in sorted(set(found)):
        for family in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                known.add_sample(sample.name, {"pid": pid}, sample.value)
    return list(families.values())
