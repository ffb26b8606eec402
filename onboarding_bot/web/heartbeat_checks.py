"""What has to be heard of from time to time: a worker, its queue, Twilio's webhooks and its status callbacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.storage.heartbeats import Heartbeat, Heartbeats

# A worker tells of itself every second.
WORKER_SILENT = timedelta(seconds=15)
# The longest queue that two worker processes work off by themselves: several broadcasts at once.
JOB_WAITS = timedelta(minutes=2)
# Twilio calls back within seconds; a sender's queue may hold a message for a while.
CALLBACK_MISSING = timedelta(minutes=10)
# Each process writes its signs down with some seconds' delay.
BLUR = timedelta(minutes=1)

HEALTHY, UNHEALTHY, WAITING = "healthy", "unhealthy", "waiting"
_TIMES = {
    Heartbeat.WORKER: ("worker_last_heartbeat_timestamp_seconds", "When a worker last looked after its work."),
    Heartbeat.WEBHOOK: ("webhook_last_signed_timestamp_seconds", "When Twilio last called the webhook."),
    Heartbeat.STATUS_CALLBACK: (
        "status_callback_last_timestamp_seconds",
        "When Twilio last told what became of a message.",
    ),
    Heartbeat.MESSAGE: ("broadcast_message_last_timestamp_seconds", "When Twilio last took a message of a broadcast."),
}

Finding = dict[str, Any]


class HeartbeatChecks:
    """Judges the signs. ``expects_webhooks`` says whether a system that never had one is ill, or only new."""

    def __init__(self, signs: Heartbeats, now: Callable[[], datetime], *, expects_webhooks: bool) -> None:
        self._signs = signs
        self._now = now
        self._expects_webhooks = expects_webhooks

    def findings(self) -> dict[str, Finding]:
        """``status`` and when it was last seen, for worker, webhook and status callback. Raises StoreUnavailableError.

        ``waiting`` is a part that has nothing to show yet, and need not have.
        """
        times, now = self._signs.read(), self._now()
        heartbeat = times.get(Heartbeat.WORKER)
        return {
            "worker": _seen(heartbeat, now, UNHEALTHY if _is_over(heartbeat, WORKER_SILENT, now) else HEALTHY),
            "webhook": _seen(times.get(Heartbeat.WEBHOOK), now, self._webhook(times)),
            "status_callback": _seen(times.get(Heartbeat.STATUS_CALLBACK), now, _status_callback(times, now)),
        }

    def queue(self) -> Finding:
        """``status`` and ``oldest_job_seconds``, which is None when no job waits.

        Raises StoreUnavailableError also when the queue takes no job.
        """
        self._signs.write_into_queue()
        since, now = self._signs.oldest_job(), self._now()
        if since is None:
            return {"status": HEALTHY, "oldest_job_seconds": None}
        status = UNHEALTHY if now - since > JOB_WAITS else HEALTHY
        return {"status": status, "oldest_job_seconds": _seconds(now - since)}

    def metrics(self) -> Iterable[Metric]:
        """The same for Prometheus; while Redis is away there is nothing to tell."""
        try:
            times, since = self._signs.read(), self._signs.oldest_job()
        except StoreUnavailableError:
            return []
        age = _seconds(self._now() - since) if since else 0.0
        families = [GaugeMetricFamily("queue_oldest_job_age_seconds", "How long the oldest job waits.", value=age)]
        for sign, (name, help_text) in _TIMES.items():
            if sign in times:
                families.append(GaugeMetricFamily(name, help_text, value=times[sign].timestamp()))
        return families

    def _webhook(self, times: Mapping[Heartbeat, datetime]) -> str:
        if Heartbeat.WEBHOOK in times:
            return HEALTHY
        return UNHEALTHY if self._expects_webhooks else WAITING


def _status_callback(times: Mapping[Heartbeat, datetime], now: datetime) -> str:
    """Ill is only who was sent messages and told nothing of them."""
    message, callback = times.get(Heartbeat.MESSAGE), times.get(Heartbeat.STATUS_CALLBACK)
    if message and now - message > CALLBACK_MISSING and (callback is None or message - callback > BLUR):
        return UNHEALTHY
    return HEALTHY if callback else WAITING


def _is_over(last: datetime | None, longest: timedelta, now: datetime) -> bool:
    return last is None or now - last > longest


def _seen(last: datetime | None, now: datetime, status: str) -> Finding:
    return {
        "status": status,
        "last_seen": last.isoformat() if last else None,
        "seconds_ago": _seconds(now - last) if last else None,
    }


def _seconds(span: timedelta) -> float:
    return max(0.0, round(span.total_seconds(), 1))
