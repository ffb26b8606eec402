"""Gives every request its trace, its id, one log line, and headers that keep its answer out of caches."""

from __future__ import annotations

import time

import structlog
from flask import Flask, Response, g, request

from onboarding_bot.observability.logs import logger
from onboarding_bot.observability.tracing import follow, read_request_id, read_traceparent
from onboarding_bot.web.api.audit import outcome_of


def log_requests(app: Flask) -> None:
    """Hook into every request of ``app``."""

    @app.before_request
    def begin() -> None:
        g.started = time.monotonic()
        follow(read_traceparent(request.headers.get("traceparent")))
        g.request_id = read_request_id(request.headers.get("X-Request-Id"))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Request-Id"] = g.request_id
        path = request.url_rule.rule if request.url_rule else "unknown"
        logger().info(
            "request",
            method=request.method,
            path=path,
            status=response.status_code,
            outcome=outcome_of(response.status_code),
            duration=round(time.monotonic() - g.started, 4),
        )
        return response
