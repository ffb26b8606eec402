"""The worker process: Dramatiq's processes over the bot's jobs, with the scheduler in one of them.

``python -m onboarding_bot worker`` starts it; any number may run, on any number of machines.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.cli import main as dramatiq_main
from dramatiq.cli import make_argument_parser
from dramatiq.middleware import Middleware

from onboarding_bot.config import Settings, load_settings, metrics_folder, read_environment
from onboarding_bot.jobs import declare_jobs
from onboarding_bot.metrics_server import MetricsPort, show_metrics
from onboarding_bot.observability.line_output import protect_standard_streams
from onboarding_bot.observability.logs import configure_logs, describe, logger
from onboarding_bot.observability.metrics_folder import remove
from onboarding_bot.renamed_commands import become
from onboarding_bot.scheduler import Scheduler, TickEverySecond
from onboarding_bot.storage.connection import AnyRedis, connect
from onboarding_bot.storage.keys import QUEUE_NAMESPACE
from onboarding_bot.wiring import build_parts

PROCESSES = 2
# Twilio takes about 50 ms for a message: this many threads keep the default rate with some to spare.
THREADS = 16
# Measured: with these a worker that was killed gives its jobs back after 12 s; with the defaults after minutes.
HEARTBEAT_MS = 5_000
MAINTENANCE_PERCENT = 10
MAINTENANCE_CHANCE = 1_000_000 // 100 * MAINTENANCE_PERCENT
# How long the queue's Redis may take for an answer: a server that has been replaced is noticed in that time.
QUEUE_SECONDS = 2.0
# How soon a queue that was away is asked again: with Dramatiq's own 3 s jobs would wait beyond the 5 s of a return.
QUEUE_ASKED_AGAIN_SECONDS = 1.0


class OwnLines(Middleware):
    """Each process writes its lines itself: Dramatiq's way leads through its first process, which waits for readers."""

    def __init__(self, log_level: str) -> None:
        self._log_level = log_level

    def after_process_boot(self, _broker: Any) -> None:
        """Dramatiq's word that this process has put its own streams into place."""
        _write_own_lines(self._log_level)


def main() -> int:
    """Run the worker until a signal ends it; its exit code. Raises SettingsError.

    The metrics of all its processes add up when ``keep_metrics_in`` was called before this module was imported.
    """
    try:
        settings = load_settings(read_environment())
        _write_own_lines(settings.log_level)
        return _run_processes() if _may_share_locks() else _run_alone(settings)
    finally:
        if folder := metrics_folder():
            remove(folder)


def broker() -> None:
    """Make the broker of this process: each of Dramatiq's processes calls this by its name."""
    settings = load_settings(read_environment())
    configure_logs(settings.log_level)
    dramatiq.set_broker(build_broker(settings))


def build_broker(settings: Settings, client: AnyRedis | None = None) -> RedisBroker:
    """A broker on the queue's Redis, or on ``client``, with all jobs and the scheduler."""
    dramatiq.worker.CONSUMER_RESTART_DELAY_SECS = QUEUE_ASKED_AGAIN_SECONDS
    queue = RedisBroker(
        client=client or connect(settings.queue_url, answer_seconds=QUEUE_SECONDS),
        namespace=QUEUE_NAMESPACE,
        heartbeat_timeout=HEARTBEAT_MS,
        maintenance_chance=MAINTENANCE_CHANCE,
    )
    parts = build_parts(settings)
    queue.add_middleware(OwnLines(settings.log_level))
    jobs = declare_jobs(queue, parts)
    queue.add_middleware(TickEverySecond(Scheduler(settings, parts, jobs).tick))
    if settings.worker_metrics_port:
        queue.add_middleware(MetricsPort())
    return queue


def _run_processes() -> int:
    """Run Dramatiq's own supervisor over this module's broker."""
    arguments = [f"{__name__}:{broker.__name__}", "--processes", str(PROCESSES), "--threads", str(THREADS)]
    return int(dramatiq_main(make_argument_parser().parse_args([*arguments, "--skip-logging"])) or 0)


def _may_share_locks() -> bool:
    """Whether processes can have locks together: those are files in memory, which may be full."""
    try:
        multiprocessing.Event()
    except OSError as error:
        logger().error("worker_alone", **describe(error))
        return False
    return True


def _run_alone(settings: Settings) -> int:
    """Do the work in this one process, with threads alone."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: ended.set())
    queue = build_broker(settings)
    queue.emit_after("process_boot")
    if settings.worker_metrics_port:
        threading.Thread(target=show_metrics, name="metrics", daemon=True).start()
    worker = dramatiq.Worker(queue, worker_threads=THREADS)
    worker.start()
    ended.wait()
    worker.stop()
    queue.close()
    return 0


def _write_own_lines(log_level: str) -> None:
    protect_standard_streams()
    configure_logs(log_level)


if __name__ == "__main__":
    become("worker")
