"""Readiness goes the way that a turn goes: whatever postpones messages is seen, also where Redis answers PING."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from onboarding_bot.app import create_app
from onboarding_bot.storage import write_probe
from onboarding_bot.storage.keys import Keys, shard_of
from tests.servers import RedisServer, cluster_url, is_cluster_up, missing, running_nodes, running_redis
from tests.settings import ENVIRONMENT, settings
from tests.talker import post_signed, webhook_form

pytestmark = pytest.mark.redis_server

ADMIN = "admin-of-the-tests"
WITHIN_SECONDS = 20


def admin_of(server: RedisServer) -> Redis:
    """A client that may do everything, whatever becomes of the bot's own user."""
    return Redis(port=server.port, username=ADMIN, password="any")


def with_admin(server: RedisServer) -> RedisServer:
    server.client().acl_setuser(ADMIN, enabled=True, nopass=True, keys=["*"], categories=["+@all"])
    return server


def writes(app: Flask, sender: str = "whatsapp:+919811112222") -> int:
    """What a message gets."""
    return post_signed(app.test_client(), webhook_form("Hi", sender)).status_code


def is_ready(app: Flask) -> bool:
    return app.test_client().get("/health/ready").status_code == 200


def health(app: Flask) -> Any:
    return app.test_client().get("/health").get_json()


def redis_of(app: Flask) -> dict[str, Any]:
    return dict(health(app)["services"]["redis"])


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"never seen: {what}"
        time.sleep(0.02)


# --- one server ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield with_admin(running)


@pytest.fixture
def app(server: RedisServer) -> Flask:
    return create_app(settings(REDIS_URL=server.url))


def folder_of(redis: Redis) -> Path:
    folder = redis.config_get("dir")["dir"]
    assert folder is not None
    return Path(folder)


def fail_to_save(redis: Redis) -> None:
    """A folder in the snapshot's place: the disk takes it no more."""
    folder = folder_of(redis)
    (folder / "dump.rdb").unlink(missing_ok=True)
    (folder / "dump.rdb").mkdir()
    redis.config_set("save", "3600 1")
    redis.bgsave()
    wait_for(lambda: redis.info("persistence")["rdb_last_bgsave_status"] == "err", "a snapshot that fails")


def save_again(redis: Redis) -> None:
    shutil.rmtree(folder_of(redis) / "dump.rdb")
    redis.config_set("save", "")
    redis.bgsave()
    wait_for(lambda: redis.info("persistence")["rdb_last_bgsave_status"] == "ok", "a snapshot")


def forbid(*rules: str) -> Callable[[Redis], object]:
    return lambda redis: redis.execute_command("ACL", "SETUSER", "default", *rules)


ALLOW_ALL = forbid("~*", "+@all")
FAULTS: dict[str, tuple[Callable[[Redis], object], Callable[[Redis], object], str]] = {
    "it is full": (
        lambda redis: redis.config_set("maxmemory", 1),
        lambda redis: redis.config_set("maxmemory", 0),
        "OutOfMemoryError",
    ),
    "it was demoted to a replica": (
        lambda redis: redis.replicaof("127.0.0.1", 1),
        lambda redis: redis.replicaof("NO", "ONE"),
        "ReadOnlyError",
    ),
    "its disk fails": (fail_to_save, save_again, "MISCONF"),
    "too few replicas follow it": (
        lambda redis: redis.config_set("min-replicas-to-write", 1),
        lambda redis: redis.config_set("min-replicas-to-write", 0),
        "NOREPLICAS",
    ),
    "the password may only read": (forbid("-@write"), ALLOW_ALL, "NoPermissionError"),
    "the password may run no scripts": (forbid("-@scripting"), ALLOW_ALL, "NoPermissionError"),
    "the password lacks one command of a turn": (forbid("-zadd"), ALLOW_ALL, "NoPermissionError"),
    "the password may not read several keys": (forbid("-mget"), ALLOW_ALL, "NoPermissionError"),
    "the password is for other keys": (forbid("resetkeys", "~other:*"), ALLOW_ALL, "NoPermissionError"),
    "writes are held up by a failover": (
        lambda redis: redis.execute_command("CLIENT", "PAUSE", 600_000, "WRITE"),
        lambda redis: redis.execute_command("CLIENT", "UNPAUSE"),
        "TimeoutError",
    ),
}


@pytest.mark.parametrize(("fault", "mend", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_redis_that_takes_no_turn_is_not_ready(
    app: Flask, server: RedisServer, fault: Callable[[Redis], object], mend: Callable[[Redis], object], reason: str
) -> None:
    assert (writes(app), is_ready(app)) == (200, True)
    fault(admin_of(server))
    try:
        assert (writes(app), is_ready(app)) == (503, False)
        response = app.test_client().get("/health")
        assert (response.status_code, response.get_json()["status"]) == (503, "unhealthy")
        redis = response.get_json()["services"]["redis"]
        assert (redis["status"], redis["reason"]) == ("unhealthy", reason)
    finally:
        mend(admin_of(server))
    wait_for(lambda: (writes(app), is_ready(app)) == (200, True), "its return")
    assert health(app)["services"]["redis"]["status"] == "healthy"


def test_asking_leaves_nothing_behind(app: Flask, server: RedisServer) -> None:
    admin_of(server).flushall()
    assert is_ready(app)
    assert health(app)["services"]["queue"]["status"] == "healthy"
    assert admin_of(server).keys() == []


def test_a_queue_that_takes_no_jobs_is_degraded(app: Flask, server: RedisServer, tmp_path: Path) -> None:
    with running_redis(tmp_path, "--maxmemory", "1") as full:
        app = create_app(settings(REDIS_URL=server.url, QUEUE_REDIS_URL=full.url))
        report = health(app)
        assert (writes(app), is_ready(app), report["status"]) == (200, True, "degraded")
        assert report["services"]["queue"]["status"] == "unhealthy"
        assert report["services"]["redis"]["status"] == "healthy"


@pytest.mark.parametrize(
    ("fault", "healthy"),
    [
        (None, True),
        (FAULTS["it is full"], False),
        (FAULTS["its disk fails"], False),
        (FAULTS["it was demoted to a replica"], False),
    ],
    ids=["well", "full", "without disk", "demoted"],
)
def test_compose_asks_redis_for_a_write(server: RedisServer, tmp_path: Path, fault: Any, healthy: bool) -> None:
    client = shutil.which("redis-cli")
    if not client:
        missing("redis-cli")
    check = re.search(r"- CMD-SHELL\n +- (redis-cli .*)", Path("docker-compose.yml").read_text())
    assert check
    here = tmp_path / "redis-cli"
    here.write_text(f'#!/bin/sh\nexec {client} -p {server.port} "$@"\n')
    here.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    if fault:
        fault[0](admin_of(server))
    try:
        ended = subprocess.run(["sh", "-c", check[1]], env=environment, check=False)
    finally:
        if fault:
            fault[1](admin_of(server))
    assert (ended.returncode == 0) is healthy


# --- a cluster -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    folder = tmp_path_factory.mktemp("cluster")
    with running_nodes(folder, 3, 0, 1000, "--cluster-require-full-coverage", "no") as running:
        yield running


@pytest.fixture
def cluster_app(nodes: list[RedisServer]) -> Flask:
    return create_app(settings(REDIS_URL=cluster_url(nodes)))


def name(node: RedisServer) -> str:
    return f"127.0.0.1:{node.port}"


def owner_at(node: RedisServer, nodes: list[RedisServer]) -> str:
    """Somebody whose shard is on this node."""
    keys = Keys(ENVIRONMENT["PERSON_ID_KEY"])
    first, last = (16384 * edge // len(nodes) for edge in (nodes.index(node), nodes.index(node) + 1))
    for number in range(1000):
        sender = f"whatsapp:+9198{number:08}"
        slot = Redis(port=nodes[0].port).cluster("keyslot", f"{{s{shard_of(keys.person_id(sender))}}}")
        if first <= int(slot) < last:
            return sender
    raise AssertionError("nobody is there")


def test_a_primary_that_hangs_for_longer_than_anybody_asks_is_named(
    nodes: list[RedisServer], cluster_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_ready(cluster_app)
    monkeypatch.setattr(write_probe, "TIMEOUT_SECONDS", 0.3)
    nodes[2].pause()
    try:
        wait_for(lambda: redis_of(cluster_app).get("unavailable") == [name(nodes[2])], "its name, and no other")
        wait_for(lambda: is_ready(cluster_app), "readiness")
    finally:
        nodes[2].resume()
    wait_for(lambda: health(cluster_app)["services"]["redis"]["status"] == "healthy", "its return")


CLUSTER_FAULTS: dict[str, tuple[Callable[[RedisServer], object], Callable[[RedisServer], object]]] = {
    "full": (
        lambda node: node.client().config_set("maxmemory", 1),
        lambda node: node.client().config_set("maxmemory", 0),
    ),
    "too few replicas": (
        lambda node: node.client().config_set("min-replicas-to-write", 1),
        lambda node: node.client().config_set("min-replicas-to-write", 0),
    ),
    "killed": (lambda node: node.kill(), lambda node: node.start()),
    "hanging": (lambda node: node.pause(), lambda node: node.resume()),
}


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        pytest.param("full", True, id="full"),
        pytest.param("too few replicas", True, id="too few replicas"),
        pytest.param("killed", True, id="killed"),
        pytest.param("killed", False, id="killed before the process started"),
        pytest.param("hanging", False, id="hanging before the process started"),
    ],
)
def test_a_cluster_is_ready_while_any_primary_takes_writes(
    nodes: list[RedisServer],
    cluster_app: Flask,
    kind: str,
    known: bool,
) -> None:
    fault, mend = CLUSTER_FAULTS[kind]
    ill, _, well = nodes
    senders = [owner_at(ill, nodes), owner_at(well, nodes)]
    if known:
        assert [writes(cluster_app, sender) for sender in senders] == [200, 200]
        assert (is_ready(cluster_app), health(cluster_app)["services"]["redis"]["status"]) == (True, "healthy")
    fault(ill)
    try:
        assert [writes(cluster_app, sender) for sender in senders] == [503, 200]
        assert is_ready(cluster_app)
        report = health(cluster_app)
        assert report["status"] == "degraded"
        assert report["services"]["redis"]["status"] == "degraded"
        assert report["services"]["redis"]["unavailable"] == [name(ill)]
        for node in nodes[1:]:
            fault(node)
        assert [writes(cluster_app, sender) for sender in senders] == [503, 503]
        assert not is_ready(cluster_app)
        report = health(cluster_app)
        assert (report["status"], report["services"]["redis"]["status"]) == ("unhealthy", "unhealthy")
    finally:
        for node in nodes:
            mend(node)
    wait_for(lambda: all(is_cluster_up(node) for node in nodes), "the cluster")
    wait_for(lambda: [writes(cluster_app, sender) for sender in senders] == [200, 200], "its return")
    wait_for(lambda: health(cluster_app)["services"]["redis"]["status"] == "healthy", "a healthy Redis")
