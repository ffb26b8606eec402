"""The worker's ``GET /metrics``: a small HTTP server on WORKER_METRICS_PORT, in a process beside the worker's own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

from dramatiq.middleware import Middleware
from werkzeug.serving import WSGIRequestHandler, make_server

from onboarding_bot.app import create_metrics_app
from onboarding_bot.config import load_settings, read_environment
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.conversation.turn import Milestone
from onboarding_bot.listen_addresses import all_addresses
from onboarding_bot.observability import metrics
from onboarding_bot.observability.line_output import protect_standard_streams
from onboarding_bot.observability.logs import configure_logs, describe, logger
from onboarding_bot.outbound.broadcast_states import RecipientState

# A port that another program has may be free again later.
PORT_TRIED_EVERY_SECONDS = 5.0


class MetricsPort(Middleware):
    """Has Dramatiq start the server's process."""

    @property
    def forks(self) -> list[Callable[[], int]]:
        """What Dramatiq runs in a process of its own, found by its name in this module."""
        return [show_metrics]


class _WithoutLog(WSGIRequestHandler):
    def log(self, _type: str, _message: str, *_args: object) -> None:
        """The app writes a line about each request itself."""


def show_metrics() -> int:
    """Answer ``GET /metrics`` on WORKER_METRICS_PORT until a signal ends it; a port that is taken is tried again."""
    settings = load_settings(read_environment())
    protect_standard_streams()
    configure_logs(settings.log_level)
    # This process is shown among the worker's others, although it counts nothing.
    metrics.begin(OnboardingStep, Milestone, RecipientState)
    app = create_metrics_app(settings)
    port = settings.worker_metrics_port or 0
    while True:
        try:
            listeners = _listen(port)
        except OSError as error:
            logger().error("metrics_port_taken", port=port, **describe(error))
            time.sleep(PORT_TRIED_EVERY_SECONDS)
            continue
        first, *others = [
            make_server(
                listener.getsockname()[0], port, app, threaded=True, request_handler=_WithoutLog, fd=listener.fileno()
            )
            for listener in listeners
        ]
        for other in others:
            threading.Thread(target=other.serve_forever, daemon=True).start()
        first.serve_forever()


def _listen(port: int) -> list[socket.socket]:
    addresses = all_addresses()
    listeners: list[socket.socket] = []
    try:
        for address in addresses:
            is_ipv6 = ":" in address
            listeners.append(
                socket.create_server(
                    (address, port),
                    family=socket.AF_INET6 if is_ipv6 else socket.AF_INET,
                    dualstack_ipv6=is_ipv6 and len(addresses) == 1,
                )
            )
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners
