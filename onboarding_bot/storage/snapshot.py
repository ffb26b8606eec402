"""Snapshots of Redis: taken by its own replication while it runs, and copied key by key into an empty Redis.

Redis's own programs do the work: ``redis-cli`` takes a snapshot, ``redis-server`` loads it to be copied from.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from redis import Redis
from redis.cluster import RedisCluster
from redis.exceptions import BusyLoadingError, RedisError, ResponseError
from redis.sentinel import SentinelConnectionPool

from onboarding_bot.errors import BotError
from onboarding_bot.progress import Progress, ignore_progress
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import HEARTBEATS, LIMITS, SCHEDULER_LEASE
from onboarding_bot.storage.redis_errors import unavailable_on_error

SNAPSHOT_SECONDS = 3600
PROGRESS_SECONDS = 0.5
# How long a Redis that is copied from or into may take for an answer.
ANSWER_SECONDS = 60.0
LOAD_SECONDS = 3600
KEYS_AT_ONCE = 500
# Keys that the bot creates anew by itself and that hold nothing of a person: jobs (those of a snapshot may have been
# done long ago), heartbeats, which worker schedules, how often an address called.
NOT_COPIED = ("{dramatiq}:", HEARTBEATS, SCHEDULER_LEASE, LIMITS, f"{{{LIMITS}")


class SnapshotError(BotError):
    """A snapshot was not taken or not restored; the message says in one line what to do."""

    code = "snapshot.failed"


@dataclass(frozen=True, slots=True)
class _Server:
    """One server that holds data, as redis-cli is told about it; the password goes by the environment."""

    arguments: tuple[str, ...]
    password: str | None


def take_snapshot(client: AnyRedis, path: Path, progress: Progress = ignore_progress) -> list[Path]:
    """Write the snapshot to ``path``, with mode 0600, whole or not at all; the files that were written.

    A cluster has one file for each of its primaries: ``path``, ``path.2``, … Raises SnapshotError and
    StoreUnavailableError.
    """
    program = _program("redis-cli", "redis-tools", "valkey-cli")
    with unavailable_on_error():
        servers = _servers(client)
    files = [_part(path, number) for number in range(1, len(servers) + 1)]
    for server, file in zip(servers, files, strict=True):
        _take(program, server, file, progress)
    return files


def snapshot_files(path: Path) -> list[Path]:
    """The files of a snapshot. Raises SnapshotError when there is none."""
    if not path.is_file():
        raise SnapshotError(f"{path} does not exist")
    rest: list[Path] = []
    for number in count(2):
        part = _part(path, number)
        if not part.is_file():
            return [path, *rest]
        rest.append(part)
    raise AssertionError("unreachable")


def refuse_unless_empty(target: AnyRedis) -> None:
    """Raises SnapshotError when there is anything in ``target`` that matters, and StoreUnavailableError."""
    with unavailable_on_error():
        if any(True for _ in _names(target)):
            held: Any = target.dbsize()
            msg = f"the Redis of REDIS_URL holds {held} keys; a snapshot is only restored into an empty one"
            raise SnapshotError(msg)


def copy(source: Redis, target: AnyRedis, progress: Progress = ignore_progress) -> int:
    """Copy every key with its remaining life, except those that the bot creates anew; how many were copied.

    Raises SnapshotError when a key is there already, or when ``target`` is too old for the snapshot.
    """
    copied = 0
    with unavailable_on_error():
        total: Any = source.dbsize()
        names = _names(source)
        while batch := list(islice(names, KEYS_AT_ONCE)):
            reading = source.pipeline(transaction=False)
            for name in batch:
                reading.dump(name)
                reading.pttl(name)
            answers = reading.execute()
            writing = target.pipeline(transaction=False)
            for name, value, life in zip(batch, answers[::2], answers[1::2], strict=True):
                # What expires meanwhile is gone.
                if value is not None:
                    writing.restore(name, max(life, 0), value)
                    copied += 1
            try:
                writing.execute()
            except ResponseError as error:
                raise SnapshotError(_refusal(str(error))) from error
            progress("keys restored", copied, max(total, copied))
    return copied


@contextmanager
def loaded(file: Path, database: int) -> Iterator[Redis]:
    """A Redis of its own that holds the snapshot, reachable from this process's user alone, and gone afterwards.

    Raises SnapshotError when it cannot be loaded.
    """
    program = _program("redis-server", "redis-server", "valkey-server")
    with tempfile.TemporaryDirectory() as folder:
        socket, log = Path(folder, "redis.sock"), Path(folder, "redis.log")
        options = {
            "--port": "0",
            "--unixsocket": str(socket),
            "--unixsocketperm": "700",
            "--dir": str(file.parent.resolve()),
            "--dbfilename": file.name,
            "--save": "",
            "--appendonly": "no",
            "--databases": str(max(16, database + 1)),
            "--logfile": str(log),
        }
        server = subprocess.Popen([program, *(word for option in options.items() for word in option)])  # noqa: S603
        try:
            source = Redis(unix_socket_path=str(socket), db=database, socket_timeout=60)
            _wait_until_loaded(source, server, log, file)
            yield source
        finally:
            server.kill()
            server.wait()


def _names(client: AnyRedis) -> Iterator[bytes]:
    not_copied = tuple(prefix.encode() for prefix in NOT_COPIED)
    return (name for name in client.scan_iter(count=KEYS_AT_ONCE) if not name.startswith(not_copied))


def _take(program: str, server: _Server, file: Path, progress: Progress) -> None:
    handle, unfinished = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mode 0600
    os.close(handle)
    try:
        with subprocess.Popen(  # noqa: S603
            [program, *server.arguments, "--rdb", unfinished],
            # Not on the command line, where every list of processes shows it.
            env={"REDISCLI_AUTH": server.password} if server.password else {},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            complaints = _wait_for_snapshot(process, Path(unfinished), progress)
        if process.returncode or not Path(unfinished).stat().st_size:
            said = (complaints.strip().splitlines() or ["it said nothing"])[-1]
            hint = "; the Redis user needs the command SYNC" if "SYNC" in said else ""
            raise SnapshotError(f"redis-cli --rdb failed: {said}{hint}")
        Path(unfinished).replace(file)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def _wait_for_snapshot(process: subprocess.Popen[str], unfinished: Path, progress: Progress) -> str:
    """What redis-cli said on standard error, once it has ended; it is killed when it takes too long."""
    deadline = time.monotonic() + SNAPSHOT_SECONDS
    while True:
        try:
            return process.communicate(timeout=PROGRESS_SECONDS)[1]
        except subprocess.TimeoutExpired:
            progress("bytes of the snapshot", unfinished.stat().st_size, None)
        if time.monotonic() > deadline:
            process.kill()
            raise SnapshotError(f"redis-cli --rdb took longer than {SNAPSHOT_SECONDS} s")


def _servers(client: AnyRedis) -> list[_Server]:
    if isinstance(client, RedisCluster):
        given = client.get_connection_kwargs()
        tls = ("--tls",) if given.get("ssl") else ()
        return [_server(str(node.host), int(node.port), given, tls) for node in client.get_primaries()]
    pool = client.connection_pool
    given = pool.connection_kwargs
    if isinstance(pool, SentinelConnectionPool):
        host, port = pool.get_master_address()
        return [_server(host, port, given, ())]
    return [_server(given.get("host", "localhost"), given.get("port", 6379), given, _tls(pool))]


def _server(host: str, port: int, given: dict[str, Any], tls: tuple[str, ...]) -> _Server:
    user = ("--user", given["username"]) if given.get("username") else ()
    return _Server(("-h", host, "-p", str(port), *user, *tls), given.get("password"))


def _tls(pool: Any) -> tuple[str, ...]:
    """The TLS options of a rediss URL, in the words of redis-cli."""
    if "SSL" not in pool.connection_class.__name__:
        return ()
    given = pool.connection_kwargs
    options = {"--cacert": "ssl_ca_certs", "--cert": "ssl_certfile", "--key": "ssl_keyfile"}
    named = [word for option, name in options.items() if given.get(name) for word in (option, given[name])]
    unchecked = ("--insecure",) if given.get("ssl_cert_reqs") == "none" else ()
    return ("--tls", *named, *unchecked)


def _wait_until_loaded(source: Redis, server: subprocess.Popen[bytes], log: Path, file: Path) -> None:
    deadline = time.monotonic() + LOAD_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-1:]
            raise SnapshotError(f"redis-server cannot load {file}: {''.join(said)[-200:]}")
        try:
            source.ping()
        except BusyLoadingError:
            time.sleep(0.2)
        except RedisError:
            time.sleep(0.02)
        else:
            return
    raise SnapshotError(f"redis-server is not done with {file} after {LOAD_SECONDS} s")


def _refusal(said: str) -> str:
    if "BUSYKEY" in said:
        return "something writes into the Redis of REDIS_URL: stop the bot and its workers, empty it, and begin anew"
    if "payload version" in said:
        return "the Redis of REDIS_URL is older than the snapshot: it needs at least the version that made it"
    return f"the Redis of REDIS_URL refused a key: {said[:100]}"


def _part(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.name}.{number}")


def _program(name: str, package: str, other: str) -> str:
    found = shutil.which(name) or shutil.which(other)
    if not found:
        raise SnapshotError(f"{name} is needed here: install it (Debian, Ubuntu: apt-get install {package})")
    return found
