"""`serve` on a host without Docker: the bot and its worker, started and ended as one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from redis import Redis

from onboarding_bot.storage.keys import SCHEDULER_LEASE
from tests.deploy.clones import PATIENCE_SECONDS, Clone, end_processes, free_ports, status_of, wait_until
from tests.deploy.test_verbs import GOOD_SETTINGS
from tests.servers import RedisServer, running_redis

BOT, WORKER = r"gunicorn", r"onboarding_bot worker"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@dataclass
class Serving:
    """`deploy.sh serve`, ready."""

    clone: Clone
    process: subprocess.Popen[str]
    url: str

    def leader(self, command: str) -> int:
        return min(number for number, line in self.clone.processes().items() if re.search(command, line))

    def ended(self) -> tuple[int, str]:
        """The exit code and what it complained about."""
        _, complaints = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, complaints


def has_worker(redis: RedisServer) -> bool:
    return bool(Redis(port=redis.port).exists(SCHEDULER_LEASE))


@contextmanager
def serving(clone: Clone, redis: RedisServer) -> Iterator[Serving]:
    port = str(free_ports(1)[0])
    Redis(port=redis.port).flushall()
    process = clone.start("serve", **GOOD_SETTINGS, PORT=port, REDIS_URL=redis.url, WEB_CONCURRENCY="1")
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: status_of(f"{url}/health/ready") == 200)
        wait_until(lambda: has_worker(redis))
        yield Serving(clone, process, url)
    finally:
        if process.poll() is None:
            # The whole family: whoever is left would keep the pipe, and this waiting, for ever.
            end_processes(clone)
            process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_both_well(clone: Clone, redis: RedisServer, number: signal.Signals) -> None:
    with serving(clone, redis) as running:
        running.process.send_signal(number)
        returncode, complaints = running.ended()
    assert (returncode, "deploy.sh:" in complaints) == (0, False)
    assert clone.processes() == {}


@pytest.mark.parametrize(
    ("command", "number"), [(BOT, signal.SIGTERM), (WORKER, signal.SIGTERM), (WORKER, signal.SIGKILL)]
)
def test_one_that_ends_takes_the_other_with_it(
    clone: Clone, redis: RedisServer, command: str, number: signal.Signals
) -> None:
    with serving(clone, redis) as running:
        os.kill(running.leader(command), number)
        returncode, complaints = running.ended()
    assert returncode == (128 + number if number is signal.SIGKILL else 1)
    assert "deploy.sh: the bot or its worker has ended" in complaints
    wait_until(lambda: clone.processes() == {})


def test_what_a_terminals_ctrl_c_sends_to_everybody_ends_both_well(clone: Clone, redis: RedisServer) -> None:
    with serving(clone, redis) as running:
        os.killpg(running.process.pid, signal.SIGINT)
        returncode, _ = running.ended()
    assert returncode == 0
    assert clone.processes() == {}


def test_a_reload_brings_the_code_that_was_put_in_place_meanwhile(clone: Clone, redis: RedisServer) -> None:
    """As SETUP.md upgrades a host under systemd: the port stays open, and new processes run the new code."""
    endpoint = clone.folder / "onboarding_bot" / "web" / "api" / "monitoring.py"
    with serving(clone, redis) as running:
        assert liveness(running.url) == "alive"
        endpoint.write_text(endpoint.read_text().replace('"status": "alive"', '"status": "alive and new"'))
        os.kill(running.leader(BOT), signal.SIGHUP)
        wait_until(lambda: liveness(running.url) == "alive and new")
        running.process.send_signal(signal.SIGTERM)
        assert running.ended()[0] == 0


def liveness(url: str) -> str:
    with urllib.request.urlopen(f"{url}/health/live", timeout=PATIENCE_SECONDS) as answer:
        return str(json.load(answer)["status"])
