"""The endpoints for operators and monitoring: health, readiness and figures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import cast

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from onboarding_bot import __version__
from onboarding_bot.admin_keys import AdminKeys
from onboarding_bot.stats import StatsService
from onboarding_bot.web.api.endpoints import Endpoints
from onboarding_bot.web.api.health import HealthCheck
from onboarding_bot.web.api.operations import monitoring as operations
from onboarding_bot.web.api.operations.monitoring import Health, Liveness, PeriodFigures, Readiness, Stats, StatsQuery


def monitoring_routes(
    service: StatsService, health: HealthCheck, admin_keys: AdminKeys, now: Callable[[], datetime]
) -> Blueprint:
    """``/health``, ``/health/live``, ``/health/ready`` (open) and ``/stats`` (for admins)."""
    routes = Blueprint("monitoring", __name__)
    endpoints = Endpoints(routes, admin_keys=admin_keys)

    @endpoints.add(operations.GET_HEALTH)
    def whole_health() -> ResponseReturnValue:
        report = health.report()
        shown: Health = {
            "status": report.status,
            "services": report.services,
            "uptime_seconds": report.uptime_seconds,
            "version": __version__,
            "timestamp": _timestamp(now),
        }
        status = HTTPStatus.SERVICE_UNAVAILABLE if report.status == "unhealthy" else HTTPStatus.OK
        return jsonify(shown), status

    @endpoints.add(operations.GET_LIVENESS)
    def live() -> ResponseReturnValue:
        shown: Liveness = {"status": "alive", "timestamp": _timestamp(now)}
        return jsonify(shown)

    @endpoints.add(operations.GET_READINESS)
    def ready() -> ResponseReturnValue:
        is_ready = health.redis_answers()
        shown: Readiness = {"status": "ready" if is_ready else "not ready", "timestamp": _timestamp(now)}
        return jsonify(shown), HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE

    @endpoints.add(operations.GET_STATS)
    def stats(query: StatsQuery) -> ResponseReturnValue:
        current = service.figures(query.days)
        shown: Stats = {
            "total_sessions": current.total_sessions,
            "step_distribution": dict(current.step_distribution),
            "started": current.started,
            "completed": current.completed,
            "completion_rate": current.completion_rate,
            "error_rate": current.error_rate,
            "period": cast(PeriodFigures, current.period.to_record()),
            "timestamp": _timestamp(now),
        }
        return jsonify(shown)

    return routes


def _timestamp(now: Callable[[], datetime]) -> str:
    return now().astimezone(UTC).isoformat()
