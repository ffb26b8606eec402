"""What operators ask: is it well, is it ready, and how far do people get?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from onboarding_bot import __version__
from onboarding_bot.admin_keys import AdminKeys, Role
from onboarding_bot.bot import WhatsAppBot
from onboarding_bot.web.api.authentication import admin_only
from onboarding_bot.web.api.health import HealthCheck
from onboarding_bot.web.api.json_body import known_query
from onboarding_bot.web.api.query import whole_number

DAYS_MAX = 90


def ops_routes(bot: WhatsAppBot, health: HealthCheck, admin_keys: AdminKeys, now: Callable[[], datetime]) -> Blueprint:
    """``/health``, ``/health/live``, ``/health/ready`` (open) and ``/stats`` (for admins)."""
    routes = Blueprint("ops", __name__)

    @routes.get("/health")
    def whole_health() -> ResponseReturnValue:
        report = health.report()
        body = {
            "status": report.status,
            "services": report.services,
            "uptime_seconds": report.uptime_seconds,
            "version": __version__,
            "timestamp": _timestamp(now),
        }
        status = HTTPStatus.SERVICE_UNAVAILABLE if report.status == "unhealthy" else HTTPStatus.OK
        return jsonify(body), status

    @routes.get("/health/live")
    def live() -> ResponseReturnValue:
        return jsonify(status="alive", timestamp=_timestamp(now))

    @routes.get("/health/ready")
    def ready() -> ResponseReturnValue:
        if health.redis_answers():
            return jsonify(status="ready", timestamp=_timestamp(now))
        return jsonify(status="not ready", timestamp=_timestamp(now)), HTTPStatus.SERVICE_UNAVAILABLE

    @routes.get("/stats")
    @admin_only(admin_keys, Role.READ)
    def stats() -> ResponseReturnValue:
        known_query("days")
        current = bot.figures(whole_number("days", 1, DAYS_MAX))
        return jsonify(
            total_sessions=current.total_sessions,
            step_distribution=current.step_distribution,
            started=current.started,
            completed=current.completed,
            completion_rate=current.completion_rate,
            error_rate=current.error_rate,
            period=current.period.to_record(),
            timestamp=_timestamp(now),
        )

    return routes


def _timestamp(now: Callable[[], datetime]) -> str:
    return now().astimezone(UTC).isoformat()
