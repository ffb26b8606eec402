"""Where Prometheus reads the metrics: with a key, or from an address that was named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from prometheus_client.metrics_core import Metric

from onboarding_bot.admin_keys import AdminKeys, Role
from onboarding_bot.observability import metrics
from onboarding_bot.web.api.authentication import admin_only
from onboarding_bot.web.api.client_address import Networks, client_address


def metrics_routes(
    admin_keys: AdminKeys,
    allowed: Networks,
    folder: Path | None,
    more: Callable[[], Iterable[Metric]] = tuple,
) -> Blueprint:
    """``GET /metrics``; ``more`` tells what is looked up at that moment."""
    routes = Blueprint("metrics", __name__)

    def page() -> ResponseReturnValue:
        return Response(metrics.exposition(folder, more()), content_type=metrics.CONTENT_TYPE)

    for_key_holders = admin_only(admin_keys, Role.READ)(page)

    @routes.get("/metrics")
    @wraps(for_key_holders)
    def read_metrics() -> ResponseReturnValue:
        return page() if _comes_directly_from(allowed) else for_key_holders()

    return routes


def _comes_directly_from(allowed: Networks) -> bool:
    """Whether the peer itself was named. Behind a proxy everybody has the proxy's address, and it says so here."""
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    peer = client_address(request.remote_addr or "", "", ())
    return peer is not None and any(peer in network for network in allowed)
