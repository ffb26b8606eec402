"""The health of the parts as the page shows it: a name, a state, and details."""

from __future__ import annotations

from dataclasses import dataclass

from onboarding_bot.web.api.health import HealthReport
from onboarding_bot.web.api.operations.monitoring import PartHealth
from onboarding_bot.web.dashboard import display_formats

_NAMES = {
    "auth_api": "Auth API",
    "redis": "Redis",
    "webhook": "Twilio’s webhook",
    "status_callback": "Status callbacks",
}
_STATES = {"waiting": "Nothing yet"}


@dataclass(frozen=True, slots=True)
class HealthRow:
    """One part. ``status`` is as in ``/health``, ``says`` the same for a person."""

    name: str
    status: str
    says: str
    detail: str


def health_rows(report: HealthReport) -> list[HealthRow]:
    """All parts that the report tells of."""
    return [
        HealthRow(
            _NAMES.get(name, display_formats.words(name)),
            part["status"],
            _STATES.get(part["status"], display_formats.words(part["status"])),
            _detail(part),
        )
        for name, part in report.services.items()
    ]


def _detail(part: PartHealth) -> str:
    if unavailable := part.get("unavailable"):
        return f"no writes at {', '.join(unavailable)}"
    if (response_ms := part.get("response_ms")) is not None:
        return display_formats.seconds(response_ms / 1000)
    if (seconds_ago := part.get("seconds_ago")) is not None:
        return f"{display_formats.roughly(seconds_ago)} ago"
    if (oldest_job := part.get("oldest_job_seconds")) is not None:
        return f"waits {display_formats.roughly(oldest_job)}"
    return "nothing waits" if "oldest_job_seconds" in part else ""
