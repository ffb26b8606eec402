"""Redis goes away and comes back, in each kind that REDIS_URL names: nobody who was started meanwhile stays down."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.outbound import Worker
from tests.e2e.test_rolling_restart import workers_of
from tests.e2e.world import Process, World, environment_of, eventually, gunicorn
from tests.servers import RedisServer, cluster_url, free_port, running_nodes, running_redis, running_sentinel
from tests.talker import new_sid

pytestmark = pytest.mark.redis_server

KEEPS_ALL = ("--appendonly", "yes", "--appendfsync", "always")


@dataclass
class Deployment:
    """A bot and a worker on some kind of Redis; the outside world is not there."""

    redis: list[RedisServer]
    world: World
    worker: Worker

    def ask(self, sid: str, sender: str, text: str = "Hi") -> requests.Response:
        return self.world.post(text, sender, sid)

    def health(self) -> requests.Response:
        return requests.get(f"{self.world.bot_url}/health", timeout=10)

    def is_live(self) -> bool:
        """Whether gunicorn answers, with or without Redis."""
        try:
            return requests.get(f"{self.world.bot_url}/health/live", timeout=10).ok
        except requests.ConnectionError:
            return False

    def postpones(self, sid: str, sender: str) -> None:
        """A message gets 503 in time, whichever process it meets, and so does whoever asks whether the bot is ready."""
        for _ in range(2):
            assert self.ask(sid, sender).status_code == 503
        assert requests.get(f"{self.world.bot_url}/health/ready", timeout=10).status_code == 503
        report = self.health()
        assert (report.status_code, report.json()["services"]["redis"]["status"]) == (503, "unhealthy")

    def recovers(self, sid: str, sender: str) -> None:
        """The message is answered at last by every process, and a worker is seen at work."""
        eventually(lambda: self.ask(sid, sender).ok, "an answer")
        eventually(lambda: all(self.ask(sid, sender).ok for _ in range(6)), "an answer of every process")
        eventually(lambda: self.health().json()["services"].get("worker", {}).get("status") == "healthy", "a worker")
        eventually(lambda: self.health().json()["services"]["queue"]["status"] == "healthy", "the queue")

    def replace_a_web_worker(self) -> None:
        """One of gunicorn's processes dies, and another one takes its place."""
        before = workers_of(self.world.bot)
        os.kill(min(before), signal.SIGKILL)
        eventually(lambda: len(workers_of(self.world.bot) - before) == 1, "a web worker in its place")

    def has_run_throughout(self) -> None:
        for process in (self.world.bot, self.worker.process):
            assert process.popen is not None
            assert process.popen.poll() is None, f"{process.name} has ended, see {process.log}"
            assert "Traceback" not in process.log.read_text()


@contextmanager
def deployment(folder: Path, redis: list[RedisServer], redis_url: str, **settings: str) -> Iterator[Deployment]:
    """Neither bot nor worker is started yet; both are ended."""
    bot_port, simulator_port = free_port(), free_port()
    environment = environment_of(bot_port, simulator_port, redis_url) | settings
    nobody = Process("simulator", [], environment, folder / "simulator.log")
    urls = (f"http://127.0.0.1:{bot_port}", f"http://127.0.0.1:{simulator_port}")
    world = World(redis[0], gunicorn(environment, folder), nobody, *urls, environment)
    worker = Worker.beside(world, folder)
    try:
        yield Deployment(redis, world, worker)
    finally:
        worker.end()
        world.bot.stop()


@contextmanager
def one_server(folder: Path) -> Iterator[tuple[list[RedisServer], str]]:
    with running_redis(folder, *KEEPS_ALL) as server:
        yield [server], server.url


@contextmanager
def sentinel(folder: Path) -> Iterator[tuple[list[RedisServer], str]]:
    with running_sentinel(folder, *KEEPS_ALL) as servers:
        yield servers, f"redis+sentinel://127.0.0.1:{servers[-1].port}/mymaster"


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[list[RedisServer], str]]:
    with running_nodes(folder, 3, 0, 1000, *KEEPS_ALL) as nodes:
        yield nodes, cluster_url(nodes)


@pytest.mark.parametrize("kind", [one_server, sentinel, cluster], ids=["one server", "sentinel", "cluster"])
def test_whatever_starts_while_redis_is_away_works_when_it_is_back(kind: Any, tmp_path: Path) -> None:
    """In one go, because processes take long to start: away at the start, hanging, killed."""
    owner, sid = "whatsapp:+919811112222", new_sid()
    with kind(tmp_path) as (servers, url), deployment(tmp_path, servers, url) as bot:
        for server in servers:
            server.kill()
        bot.world.bot.start()
        bot.worker.start()
        eventually(bot.is_live, "gunicorn")
        bot.postpones(sid, owner)
        for server in servers:
            server.start()
        bot.recovers(sid, owner)

        for server in servers:
            server.pause()
        bot.replace_a_web_worker()
        bot.postpones(sid := new_sid(), owner)
        for server in servers:
            server.resume()
        bot.recovers(sid, owner)

        for server in servers:
            server.kill()
        bot.postpones(sid := new_sid(), owner)
        for server in servers:
            server.start()
        bot.recovers(sid, owner)
        bot.has_run_throughout()
