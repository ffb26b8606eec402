"""The operations for operators: health, figures, metrics, and the OpenAPI document itself."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta, Struct

from onboarding_bot.admin_keys import Role
from onboarding_bot.analytics.figures import FEWER
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.conversation.turn import OtpResult
from onboarding_bot.web.api.operations.operation import Answer, Moment, Operation, Timestamp

TAG = "monitoring"
DAYS_MAX = 90

Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Milliseconds = Annotated[float | None, Meta(description="In milliseconds; null for no message.")]
Day = Annotated[str, Meta(extra_json_schema={"format": "date"}, examples=["2026-11-22"])]
ShownCount = Count | Literal["fewer than 5"]


class StatsQuery(Struct, frozen=True, kw_only=True):
    """Which days `period` covers."""

    days: Annotated[int, Meta(description="How many days, today included, in Indian time.", ge=1, le=DAYS_MAX)] = 1


OverallStatus = Literal["healthy", "degraded", "unhealthy"]
PartStatus = Literal["healthy", "degraded", "unhealthy", "waiting"]


class PartHealth(TypedDict):
    """How one part is doing. `waiting` is a part that has nothing to show yet, and need not have."""

    status: PartStatus
    response_ms: NotRequired[Annotated[float, Meta(description="How long it took to answer.", ge=0)]]
    reason: NotRequired[Annotated[str, Meta(description="The kind of fault.")]]
    unavailable: NotRequired[
        Annotated[list[str], Meta(description="The servers of a cluster that take no writes, as host:port.")]
    ]
    last_seen: NotRequired[Moment | None]
    seconds_ago: NotRequired[Annotated[float, Meta(ge=0)] | None]
    oldest_job_seconds: NotRequired[
        Annotated[float, Meta(description="How long the oldest job of the queue waits; null for none.", ge=0)] | None
    ]


class Health(TypedDict):
    """The bot and what it depends on. `unhealthy`: Redis takes no writes, and nobody gets a reply."""

    status: OverallStatus
    services: Annotated[dict[str, PartHealth], Meta(description="Each part by its name.")]
    uptime_seconds: Annotated[float, Meta(ge=0)]
    version: str
    timestamp: Timestamp


class Liveness(TypedDict):
    """The process answers."""

    status: Literal["alive"]
    timestamp: Timestamp


class Readiness(TypedDict):
    """Whether messages can be handled."""

    status: Literal["ready", "not ready"]
    timestamp: Timestamp


class StepFigures(TypedDict):
    """One step of the sign-up; every figure counts visits."""

    entered: Count
    completed: Count
    given_up: Annotated[Count, Meta(description="Sessions that ended in this step.")]
    invalid: Annotated[dict[str, Count], Meta(description="Answers that were refused, by the code of the reason.")]
    median_seconds: Annotated[float | None, Meta(description="Of completed visits.")]
    p90_seconds: float | None


class GroupFigures(TypedDict):
    """Sign-ups of one language, sector or postal circle; a count below 5 is not told, for it may point to a person."""

    started: ShownCount
    completed: ShownCount


class WebhookFigures(TypedDict):
    """The messages that came; `failures` are apologies and 5xx, the milliseconds those of answered messages."""

    count: Count
    failures: Count
    error_rate: Share
    p50_ms: Milliseconds
    p95_ms: Milliseconds
    p99_ms: Milliseconds


class DayFigures(TypedDict):
    """One day in Indian time."""

    day: Day
    webhooks: Count
    failures: Count
    started: Count
    completed: Count
    p50_ms: Milliseconds
    p95_ms: Milliseconds
    p99_ms: Milliseconds


class PeriodFigures(TypedDict):
    """The figures of whole days in Indian time, the last of which is today."""

    days: Annotated[int, Meta(ge=1, le=DAYS_MAX)]
    first_day: Day
    last_day: Day
    started: Count
    completed: Count
    steps: dict[OnboardingStep, StepFigures]
    by_language: dict[str, GroupFigures]
    by_sector: dict[str, GroupFigures]
    by_circle: Annotated[dict[str, GroupFigures], Meta(description="By postal circle, from the pincode.")]
    otp_requests: Annotated[dict[OtpResult, Count], Meta(description="How asking for OTPs ended.")]
    webhooks: WebhookFigures
    by_day: list[DayFigures]


class Stats(TypedDict):
    """How far people get. All figures but `period` hold since the beginning, or for this moment."""

    total_sessions: Count
    step_distribution: Annotated[dict[OnboardingStep, Count], Meta(description="How many people are in each step.")]
    started: Count
    completed: Count
    completion_rate: Share
    error_rate: Share
    period: PeriodFigures
    timestamp: Timestamp


_AT = "2026-11-22T17:17:12.108498+00:00"
_HEALTHY = {
    "services": {
        "auth_api": {"response_ms": 20.0, "status": "healthy"},
        "queue": {"oldest_job_seconds": None, "status": "healthy"},
        "redis": {"response_ms": 1.8, "status": "healthy"},
        "worker": {"last_seen": "2026-11-22T17:17:11.200000+00:00", "seconds_ago": 0.9, "status": "healthy"},
    },
    "status": "healthy",
    "timestamp": _AT,
    "uptime_seconds": 8.1,
    "version": "0.1.0",
}
_UNHEALTHY = _HEALTHY | {
    "services": {"redis": {"reason": "TimeoutError", "response_ms": 1200.4, "status": "unhealthy"}},
    "status": "unhealthy",
}
_WEBHOOKS = {"count": 264, "error_rate": 0.0, "failures": 0, "p50_ms": 0.5, "p95_ms": 0.9, "p99_ms": 1.0}
_STATS = {
    "completed": 29,
    "completion_rate": 0.725,
    "error_rate": 0.0,
    "period": {
        "by_circle": {"Karnataka": {"completed": 23, "started": 24}, "Assam": {"completed": FEWER, "started": FEWER}},
        "by_day": [
            {
                "completed": 29,
                "day": "2026-11-22",
                "failures": 0,
                "p50_ms": 0.5,
                "p95_ms": 0.9,
                "p99_ms": 1.0,
                "started": 40,
                "webhooks": 264,
            }
        ],
        "by_language": {"en": {"completed": 19, "started": 26}},
        "by_sector": {"Retail": {"completed": 29, "started": 35}},
        "completed": 29,
        "days": 1,
        "first_day": "2026-11-22",
        "last_day": "2026-11-22",
        "otp_requests": {"sent": 29},
        "started": 40,
        "steps": {
            "pincode": {
                "completed": 30,
                "entered": 35,
                "given_up": 0,
                "invalid": {"pincode.count": 54},
                "median_seconds": 60.0,
                "p90_seconds": 248.6,
            }
        },
        "webhooks": _WEBHOOKS,
    },
    "started": 40,
    "step_distribution": {"completed": 29, "name": 3},
    "timestamp": "2026-11-22T08:54:43+00:00",
    "total_sessions": 40,
}

GET_HEALTH = Operation(
    id="getHealth",
    method="GET",
    path="/health",
    tag=TAG,
    summary="Tell how the bot and what it depends on are doing",
    description="Answered within two seconds. `degraded` is 200: a part is not well, and people are answered.",
    guard=None,
    query=None,
    is_counted=False,
    uses_store=False,
    answers={
        HTTPStatus.OK: Answer(description="`healthy` or `degraded`.", schema=Health, example=_HEALTHY),
        HTTPStatus.SERVICE_UNAVAILABLE: Answer(
            description="`unhealthy`: Redis takes no writes.", schema=Health, example=_UNHEALTHY
        ),
    },
)

GET_LIVENESS = Operation(
    id="getLiveness",
    method="GET",
    path="/health/live",
    tag=TAG,
    summary="Tell whether the process answers at all",
    description="",
    guard=None,
    query=None,
    is_counted=False,
    uses_store=False,
    answers={
        HTTPStatus.OK: Answer(description="It does.", schema=Liveness, example={"status": "alive", "timestamp": _AT})
    },
)

GET_READINESS = Operation(
    id="getReadiness",
    method="GET",
    path="/health/ready",
    tag=TAG,
    summary="Tell whether the process may get messages",
    description="On a cluster it is ready while any primary takes writes.",
    guard=None,
    query=None,
    is_counted=False,
    uses_store=False,
    answers={
        HTTPStatus.OK: Answer(description="It may.", schema=Readiness, example={"status": "ready", "timestamp": _AT}),
        HTTPStatus.SERVICE_UNAVAILABLE: Answer(
            description="Redis does not take what a message writes.",
            schema=Readiness,
            example={"status": "not ready", "timestamp": _AT},
        ),
    },
)

GET_STATS = Operation(
    id="getStats",
    method="GET",
    path="/stats",
    tag=TAG,
    summary="Tell how far people get",
    description="Rates are shares from 0 to 1. `period` holds the figures of the last `days` days.",
    guard=Role.READ,
    query=StatsQuery,
    answers={HTTPStatus.OK: Answer(description="The figures.", schema=Stats, example=_STATS)},
)

GET_METRICS = Operation(
    id="getMetrics",
    method="GET",
    path="/metrics",
    tag=TAG,
    summary="Tell Prometheus the metrics",
    description="With a key, or from an address of `METRICS_ALLOWED_ADDRESSES` without one. The figures are those of "
    "all processes behind this port, in Prometheus's text format.",
    guard=Role.READ,
    query=None,
    uses_store=False,
    answers={
        HTTPStatus.OK: Answer(
            description="The metrics as text.",
            media_type="text/plain",
            example='# TYPE webhook_requests_total counter\nwebhook_requests_total{outcome="answered"} 6.0\n',
        )
    },
)

GET_OPENAPI = Operation(
    id="getOpenApi",
    method="GET",
    path="/openapi.json",
    tag=TAG,
    summary="Show this document",
    description="",
    guard=None,
    query=None,
    uses_store=False,
    answers={HTTPStatus.OK: Answer(description="An OpenAPI 3.1 document.", schema=dict[str, Any])},
)

OPERATIONS = (GET_HEALTH, GET_LIVENESS, GET_READINESS, GET_STATS, GET_METRICS, GET_OPENAPI)
