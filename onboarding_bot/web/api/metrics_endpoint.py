"""The endpoint where Prometheus reads the metrics: with a key, or from an address of METRICS_ALLOWED_ADDRESSES."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from prometheus_client.metrics_core import Metric

from onboarding_bot.admin_keys import AdminKeys, Role
from onboarding_bot.observability import metrics
from onboarding_bot.web.api.authentication import Guard, View, admin_only
from onboarding_bot.web.api.client_address import Networks, client_address
from onboarding_bot.web.api.endpoints import Endpoints
from onboarding_bot.web.api.operations.monitoring import GET_METRICS


def metrics_routes(
    admin_keys: AdminKeys,
    allowed: Networks,
    folder: Path | None,
    more: Callable[[], Iterable[Metric]] = tuple,
) -> Blueprint:
    """``GET /metrics``; ``more`` are metrics that are looked up at each call."""
    routes = Blueprint("metrics", __name__)

    @Endpoints(routes).add(GET_METRICS, guard=_readers_and_peers(admin_keys, allowed))
    def read_metrics() -> ResponseReturnValue:
        return Response(metrics.exposition(folder, more()), content_type=metrics.CONTENT_TYPE)

    return routes


def _readers_and_peers(admin_keys: AdminKeys, allowed: Networks) -> Guard:
    """Let a view be called from the ``allowed`` networks without a key, and from anywhere else as readers may."""

    def guard(view: View) -> View:
        for_readers = admin_only(admin_keys, Role.READ)(view)

        @wraps(for_readers)
        def guarded() -> ResponseReturnValue:
            return view() if _comes_directly_from(allowed) else for_readers()

        return guarded

    return guard


def _comes_directly_from(allowed: Networks) -> bool:
    """Whether the peer itself is allowed. Behind a proxy, as these headers say, every caller has its address."""
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    peer = client_address(request.remote_addr or "", "", ())
    return peer is not None and any(peer in network for network in allowed)
