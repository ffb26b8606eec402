"""Extras that fail: whatever becomes of the log, the metrics and the memory for both, real processes serve people."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.outbound import AT_ONCE, HEALTHY, Admin
from tests.e2e.people import settle, store_at
from tests.e2e.test_metrics import KEY, figure
from tests.e2e.test_rolling_restart import workers_of
from tests.e2e.world import ROOT, Process, World, eventually
from tests.servers import free_port, missing

pytestmark = pytest.mark.redis_server

SMALLEST_PIPE = 4096
# More than a pipe and a backlog take, and enough to reach each worker.
HUNDREDS, SOME = 160, 30
# What somebody else has left in the memory of the machine.
FULL = "full"


@dataclass
class Faulty(Process):
    """A process whose output goes where the test wants it, in a machine that has as much memory as it wants."""

    output: int = -1
    shared_memory: str = ""

    def start(self) -> None:
        command = self.command
        if self.shared_memory:
            if not shutil.which("unshare") or os.getuid():
                missing("a root that may mount")
            mount = f"mount -t tmpfs -o {self.shared_memory} none /dev/shm"
            fill = f"cat /dev/zero > /dev/shm/{FULL} 2>/dev/null" if FULL in self.name else ":"
            command = ["unshare", "--mount", "sh", "-c", f'{mount}; {fill}; exec "$@"', "sh", *command]
        output = self.output if self.output >= 0 else os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.popen = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=output, stderr=output, start_new_session=True
        )


@contextmanager
def faulty_bot(
    world: World, folder: Path, *, name: str = "faulty", output: int = -1, shared_memory: str = "", **settings: str
) -> Iterator[World]:
    """The bot once more, on the world's Redis."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = world.environment | {"PORT": str(port), "PUBLIC_BASE_URL": url, "SIMULATOR_BOT_URL": url} | settings
    bot = Faulty(name, world.bot.command, environment, folder / f"{name}.log", None, output, shared_memory)
    faulty = replace(world, bot=bot, bot_url=url, environment=environment)
    try:
        faulty.start_bot()
        yield faulty
        assert bot.stop() == 0, "it ends as it should, too"
    finally:
        if bot.popen and bot.popen.poll() is None:
            os.killpg(bot.popen.pid, signal.SIGKILL)
            bot.popen.wait()


def services(world: World) -> dict[str, str]:
    body = requests.get(f"{world.bot_url}/health", timeout=10).json()
    return {name: service["status"] for name, service in body["services"].items()} | {"": body["status"]}


def write(world: World, prefix: str, count: int = SOME) -> None:
    def say_hi(number: int) -> tuple[int, str]:
        answer = world.post("Hi", f"whatsapp:+91{prefix}{number:05}")
        return answer.status_code, answer.text

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(say_hi, range(count)))
    assert {status for status, _ in answers} == {200}
    assert all("<Message>" in text for _, text in answers)


# --- the log -------------------------------------------------------------------------------------------------------


@contextmanager
def nobody_reads() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def full_disk() -> Iterator[int]:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@contextmanager
def reader_stands_still() -> Iterator[int]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
    os.write(writer, b"x" * SMALLEST_PIPE)
    yield writer
    assert os.get_blocking(writer), "whoever shares it finds it as it was"
    os.close(writer)
    os.close(reader)


@contextmanager
def terminal_stands_still() -> Iterator[int]:
    master, terminal = os.openpty()
    yield terminal
    assert os.get_blocking(terminal)
    os.close(terminal)
    os.close(master)


Log = Callable[[], Any]


@pytest.mark.parametrize(
    ("log", "prefix"),
    [
        pytest.param(nobody_reads, "93401", id="the reader is gone"),
        pytest.param(full_disk, "93402", id="the disk is full from the start"),
        pytest.param(reader_stands_still, "93403", id="the reader stands still"),
        pytest.param(terminal_stands_still, "93404", id="nobody looks at the terminal"),
    ],
)
def test_people_are_served_whatever_becomes_of_the_log(world: World, tmp_path: Path, log: Log, prefix: str) -> None:
    with log() as output, faulty_bot(world, tmp_path, output=output) as bot:
        assert services(bot)["redis"] == "healthy"
        write(bot, prefix, HUNDREDS if log is reader_stands_still else SOME)
        owner = f"whatsapp:+91{prefix}00000"
        assert bot.post("Hi", owner, path="/webhook/fallback").status_code == 200
        assert requests.get(f"{bot.bot_url}/health/live", timeout=10).status_code == 200
        eventually(lambda: figure(bot.bot_url, "log_lines_dropped_total") > 0, "lines that were lost are counted")
        eventually(lambda: services(bot)["log"] == "unhealthy", "the log is named")
        # Each process tells of its own log, and another one may answer.
        eventually(lambda: services(bot)[""] == "degraded", "the whole is degraded")
        eventually(lambda: figure(bot.bot_url, "health_service_up", service="log") == 0, "Prometheus is told")

        # What needs its line is refused, and not done.
        refusal = requests.post(f"{bot.bot_url}/people/erase", headers=KEY, json={"address": owner}, timeout=10)
        assert refusal.status_code == 503
        assert refusal.json()["type"] == "urn:msmebazaar:problem:audit-unavailable"
        person = store_at(world.redis.url)
        assert person.load(person.identify(owner)).contact is not None

        # What the person wants is done.
        bot.post("STOP", owner)
        bot.post("DELETE MY DATA", owner)
        assert bot.post("YES", owner).status_code == 200
        assert person.load(person.identify(owner)).session is None

        # A worker that is replaced serves too.
        victim = min(workers_of(bot.bot))
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: victim not in workers_of(bot.bot) and len(workers_of(bot.bot)) == 2, "a new worker")
        assert bot.post("Hi", owner).status_code == 200


def test_a_full_disk_that_is_mended_is_written_to_again_without_a_torn_line(world: World, tmp_path: Path) -> None:
    """The file may only grow to some size; then it is made empty, as by whoever makes room on a disk."""
    log = tmp_path / "bot.log"
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with ExitStack() as stack:
        bot = stack.enter_context(faulty_bot(world, tmp_path, output=output))
        limit = log.stat().st_size + 1000
        assert bot.bot.popen is not None
        for process in {bot.bot.popen.pid, *workers_of(bot.bot)}:
            subprocess.run(["prlimit", "--pid", str(process), f"--fsize={limit}:{2**40}"], check=True)
        write(bot, "93405")
        assert log.stat().st_size == limit, "the last one was cut"
        assert services(bot)["log"] == "unhealthy"
        for process in {bot.bot.popen.pid, *workers_of(bot.bot)}:
            subprocess.run(["prlimit", "--pid", str(process), f"--fsize={2**40}:{2**40}"], check=True)
        eventually(lambda: all(services(bot)["log"] == "healthy" for _ in range(8)), "the log is well in all workers")
        write(bot, "93406")
    lines = log.read_text().splitlines()
    broken = [line for line in lines if line and not _is_json(line)]
    assert len(broken) == 1, broken
    assert sum('"event": "turn"' in line for line in lines) >= SOME


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


# --- metrics -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory", "name"),
    [
        pytest.param("size=64k", "full", id="full from the start"),
        pytest.param("size=64k", "small", id="too small from the start"),
        pytest.param("nr_inodes=2", "no-more-files", id="no file more"),
    ],
)
def test_full_memory_at_the_start_costs_nobody_a_reply(world: World, tmp_path: Path, memory: str, name: str) -> None:
    with faulty_bot(world, tmp_path, name=name, shared_memory=memory) as bot:
        assert bot.post("Hi", "whatsapp:+919350000001").status_code == 200
        assert (services(bot)["metrics"], services(bot)[""]) == ("unhealthy", "degraded")
        before = figure(bot.bot_url, "webhook_requests_total", outcome="answered")
        write(bot, "93501")
        now = figure(bot.bot_url, "webhook_requests_total", outcome="answered")
        assert now - before == SOME, "the other folder has them all"
        assert len(workers_of(bot.bot)) == 2


def test_memory_that_fills_up_later_costs_nobody_a_reply(world: World, tmp_path: Path) -> None:
    with faulty_bot(world, tmp_path, name="later", shared_memory="size=4m") as bot:
        assert services(bot)["metrics"] == "healthy"
        assert bot.post("Hi", "whatsapp:+919350200000").status_code == 200
        assert bot.bot.popen is not None
        memory = Path("/proc", str(bot.bot.popen.pid), "root", "dev", "shm")
        with (memory / FULL).open("wb") as file:
            subprocess.run(["cat", "/dev/zero"], stdout=file, stderr=subprocess.DEVNULL, check=False)
        victims = workers_of(bot.bot)
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(workers_of(bot.bot) - victims) == 2, "two new workers")
        before = figure(bot.bot_url, "webhook_requests_total", outcome="answered")
        assert before >= 1, "what was counted is not lost"
        write(bot, "93502")
        assert figure(bot.bot_url, "webhook_requests_total", outcome="answered") == before + SOME
        assert (services(bot)["metrics"], services(bot)[""]) == ("unhealthy", "degraded")


def test_without_any_folder_the_bot_goes_without_metrics(world: World, tmp_path: Path) -> None:
    """Not even the temporary folder takes any file."""
    with faulty_bot(world, tmp_path, name="nowhere", shared_memory="size=64k", TMPDIR="/proc") as bot:
        write(bot, "93503")
        assert (services(bot)["metrics"], services(bot)[""]) == ("unhealthy", "degraded")
        page = requests.get(f"{bot.bot_url}/metrics", headers=KEY, timeout=10)
        assert page.status_code == 200
        assert figure(bot.bot_url, "health_service_up", service="metrics") == 0


# --- the worker ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "memory"),
    [
        pytest.param(nobody_reads, "", id="nobody reads its log"),
        pytest.param(reader_stands_still, "size=64k", id="its log stands still, and there is no memory"),
    ],
)
def test_the_worker_works_whatever_becomes_of_its_extras(world: World, tmp_path: Path, log: Log, memory: str) -> None:
    admin = Admin(world)
    admin.begin_anew()
    settle(store_at(world.redis.url), [f"whatsapp:+9194555{number:05}" for number in range(20)])
    command = [sys.executable, "-m", "onboarding_bot", "worker"]
    with log() as output, socket.create_server(("0.0.0.0", 0)) as taken:
        port = int(taken.getsockname()[1])
        environment = world.environment | AT_ONCE | {"WORKER_METRICS_PORT": str(port)}
        worker = Faulty("full", command, environment, tmp_path / "worker.log", None, output, memory)
        try:
            worker.start()
            admin.wait_for_status(admin.broadcast(), "completed")
            taken.close()
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: answers(f"{url}/metrics"), "the port is taken once it is free")
            assert figure(url, "health_service_up", service="log") == 0
            assert worker.stop() == 0
        finally:
            if worker.popen and worker.popen.poll() is None:
                os.killpg(worker.popen.pid, signal.SIGKILL)
                worker.popen.wait()
            world.set_fault(**HEALTHY)


def answers(url: str) -> bool:
    try:
        return requests.get(url, headers=KEY, timeout=2).status_code == 200
    except requests.RequestException:
        return False
