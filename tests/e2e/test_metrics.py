"""Metrics of real processes: gunicorn's workers and the worker's, each added up, whoever is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.outbound import HEALTHY, Admin, Worker, wait_for
from tests.e2e.people import settle, store_at
from tests.e2e.test_rolling_restart import workers_of
from tests.e2e.world import PATIENCE_SECONDS, World, eventually
from tests.servers import free_port
from tests.settings import ENVIRONMENT

pytestmark = pytest.mark.redis_server

KEY = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}


def figure(url: str, name: str, **labels: str) -> float:
    """The sum of all samples of that name with these labels."""
    text = requests.get(f"{url}/metrics", headers=KEY, timeout=PATIENCE_SECONDS).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def processes(url: str) -> set[int]:
    text = requests.get(f"{url}/metrics", headers=KEY, timeout=PATIENCE_SECONDS).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {int(sample.labels["pid"]) for sample in samples if sample.name == "process_resident_memory_bytes"}


def has_ended(world: World, process: int) -> bool:
    return process not in workers_of(world.bot)


def test_figures_stay_exact_when_a_worker_is_killed(world: World) -> None:
    def answered() -> float:
        return figure(world.bot_url, "webhook_requests_total", outcome="answered")

    def write_to_the_bot(number: int) -> int:
        return world.post("Hi", f"whatsapp:+9193333{number:05}").status_code

    before = answered()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write_to_the_bot, range(60))) == {200}
    assert answered() == before + 60, "whichever process is asked"
    assert processes(world.bot_url) == workers_of(world.bot)

    for victim in workers_of(world.bot):
        os.kill(victim, signal.SIGKILL)
        eventually(partial(has_ended, world, victim), "the end of a worker")
        eventually(lambda: len(workers_of(world.bot)) == 2, "a new worker")
        eventually(lambda: processes(world.bot_url) == workers_of(world.bot), "the new one's own figures")
        assert answered() == before + 60
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write_to_the_bot, range(60, 100))) == {200}
    assert answered() == before + 100
    assert figure(world.bot_url, "webhook_duration_seconds_count") >= before + 100


@pytest.fixture
def worker(world: World, tmp_path: Path) -> Iterator[tuple[Worker, str]]:
    Admin(world).begin_anew()
    port = free_port()
    worker = Worker.beside(world, tmp_path, WORKER_METRICS_PORT=str(port))
    worker.start()
    yield worker, f"http://127.0.0.1:{port}"
    worker.end()
    world.set_fault(**HEALTHY)


def test_the_worker_shows_its_own(world: World, worker: tuple[Worker, str]) -> None:
    running, url = worker
    people = [f"whatsapp:+9194444{number:05}" for number in range(30)]
    settle(store_at(world.redis.url), people)
    admin = Admin(world)
    broadcast_id = admin.broadcast()
    admin.wait_for_status(broadcast_id, "completed")
    admin.wait_for_quiet()
    assert figure(url, "broadcast_messages_total", state="pending") == 30, "each has a row"
    assert figure(url, "broadcast_messages_total", state="sending") >= 30, "or more, where a slot was missed"
    wait_for(
        lambda: (
            figure(world.bot_url, "broadcast_messages_total", state="read") >= 1
            or figure(world.bot_url, "broadcast_messages_total", state="delivered") >= 30
        ),
        "callbacks are counted where they come in",
    )
    assert requests.get(f"{url}/metrics", timeout=PATIENCE_SECONDS).status_code == 401
    assert len(processes(url)) == 4, "the supervisor, its two processes, and the one that shows all this"
    assert running.stop() == 0
