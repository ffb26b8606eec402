"""How the extras of this process are doing, which nobody waits for: its log, and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from onboarding_bot.observability.logs import log_is_well
from onboarding_bot.observability.metrics_files import is_complete
from onboarding_bot.web.heartbeat_checks import HEALTHY, UNHEALTHY, WAITING, Finding


def extras(folder: Path | None) -> dict[str, Finding]:
    """``log``: whether lines get out; ``metrics``: whether all figures are in ``folder``, where they belong."""
    return {
        "log": {"status": HEALTHY if log_is_well() else UNHEALTHY},
        "metrics": {"status": HEALTHY if is_complete(folder) else UNHEALTHY},
    }


def services_up(services: Mapping[str, Mapping[str, Any]]) -> Metric:
    """The parts of /health for Prometheus; one that waits for its first sign is well."""
    help_text = "Whether a part that /health tells of is well: 1, or 0."
    family = GaugeMetricFamily("health_service_up", help_text, labels=["service"])
    for name, finding in services.items():
        family.add_metric([name], float(finding["status"] in {HEALTHY, WAITING}))
    return family
