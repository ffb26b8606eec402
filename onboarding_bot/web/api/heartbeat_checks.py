"""Judges the heartbeats of the worker, of Twilio's webhooks and of its status callbacks, and the age of the queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.storage.heartbeats import Heartbeat, Heartbeats
from onboarding_bot.web.api.operations.monitoring import PartHealth, PartStatus

# A worker writes its heartbeat every second.
WORKER_SILENT = timedelta(seconds=15)
# The longest that a job waits while two worker processes send several broadcasts at once.
JOB_WAITS = timedelta(minutes=2)
# Twilio calls back within seconds; a sender's queue may hold a message for a while.
CALLBACK_MISSING = timedelta(minutes=10)
# Each process writes its heartbeats with some seconds' delay.
WRITE_DELAY = timedelta(minutes=1)

_TIMES = {
    Heartbeat.WORKER: ("worker_last_heartbeat_timestamp_seconds", "When a worker last looked after its work."),
    Heartbeat.WEBHOOK: ("webhook_last_signed_timestamp_seconds", "When Twilio last called the webhook."),
    Heartbeat.STATUS_CALLBACK: (
        "status_callback_last_timestamp_seconds",
        "When Twilio last told what became of a message.",
    ),
    Heartbeat.MESSAGE: ("broadcast_message_last_timestamp_seconds", "When Twilio last took a message of a broadcast."),
}


class HeartbeatChecks:
    """Judges the heartbeats. A system that never had a webhook is unhealthy only if it ``expects_webhooks``."""

    def __init__(self, heartbeats: Heartbeats, now: Callable[[], datetime], *, expects_webhooks: bool) -> None:
        self._heartbeats = heartbeats
        self._now = now
        self._expects_webhooks = expects_webhooks

    def parts(self) -> dict[str, PartHealth]:
        """The health of worker, webhook and status callback, each with its last heartbeat.

        Raises StoreUnavailableError.
        """
        times, now = self._heartbeats.read(), self._now()
        worker = times.get(Heartbeat.WORKER)
        return {
            "worker": _part(worker, now, "unhealthy" if _is_older(worker, WORKER_SILENT, now) else "healthy"),
            "webhook": _part(times.get(Heartbeat.WEBHOOK), now, self._webhook(times)),
            "status_callback": _part(times.get(Heartbeat.STATUS_CALLBACK), now, _status_callback(times, now)),
        }

    def queue(self) -> PartHealth:
        """The health of the queue, with the age of its oldest job in seconds, None when no job waits.

        Raises StoreUnavailableError, also when the queue's Redis takes no job.
        """
        self._heartbeats.write_into_queue()
        since, now = self._heartbeats.oldest_job(), self._now()
        if since is None:
            return {"status": "healthy", "oldest_job_seconds": None}
        age = now - since
        return {"status": "unhealthy" if age > JOB_WAITS else "healthy", "oldest_job_seconds": _seconds(age)}

    def metrics(self) -> Iterable[Metric]:
        """The heartbeats and the age of the oldest job for Prometheus; none while Redis does not answer."""
        try:
            times, since = self._heartbeats.read(), self._heartbeats.oldest_job()
        except StoreUnavailableError:
            return []
        age = _seconds(self._now() - since) if since else 0.0
        families = [GaugeMetricFamily("queue_oldest_job_age_seconds", "How long the oldest job waits.", value=age)]
        for heartbeat, (name, help_text) in _TIMES.items():
            if heartbeat in times:
                families.append(GaugeMetricFamily(name, help_text, value=times[heartbeat].timestamp()))
        return families

    def _webhook(self, times: Mapping[Heartbeat, datetime]) -> PartStatus:
        if Heartbeat.WEBHOOK in times:
            return "healthy"
        return "unhealthy" if self._expects_webhooks else "waiting"


def _status_callback(times: Mapping[Heartbeat, datetime], now: datetime) -> PartStatus:
    """Unhealthy when Twilio took a message ten minutes ago or earlier, and has not called back since."""
    message, callback = times.get(Heartbeat.MESSAGE), times.get(Heartbeat.STATUS_CALLBACK)
    if message and now - message > CALLBACK_MISSING and (callback is None or message - callback > WRITE_DELAY):
        return "unhealthy"
    return "healthy" if callback else "waiting"


def _is_older(last: datetime | None, longest: timedelta, now: datetime) -> bool:
    return last is None or now - last > longest


def _part(last: datetime | None, now: datetime, status: PartStatus) -> PartHealth:
    return {
        "status": status,
        "last_seen": last.isoformat() if last else None,
        "seconds_ago": _seconds(now - last) if last else None,
    }


def _seconds(span: timedelta) -> float:
    return max(0.0, round(span.total_seconds(), 1))
