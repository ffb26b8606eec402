"""From REDIS_URL to a client that gives up in time, whatever kind of Redis it names."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis, RedisCluster
from redis.connection import Connection, SSLConnection
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.sentinel import SentinelConnectionPool

from onboarding_bot.storage.cluster import Cluster
from onboarding_bot.storage.connection import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    RETRIES,
    RETRY_PAUSE_SECONDS,
    AnyRedis,
    connect,
)
from tests.servers import RedisServer, cluster_url, running_nodes, running_redis, running_sentinel


def options_of(url: str, **patience: Any) -> dict[str, Any]:
    client = connect(url, **patience)
    assert isinstance(client, Redis)
    options: dict[str, Any] = client.connection_pool.connection_kwargs
    return options


# --- one server ----------------------------------------------------------------------------------------------------


def test_one_server() -> None:
    options = options_of("redis://user:p%40ss@redis.example.in:6380/3")
    assert (options["host"], options["port"], options["db"]) == ("redis.example.in", 6380, 3)
    assert (options["username"], options["password"]) == ("user", "p@ss")


def test_one_server_behind_tls() -> None:
    client = connect("rediss://redis.example.in/0")
    assert isinstance(client, Redis)
    assert client.connection_pool.connection_class is SSLConnection
    assert isinstance(connect("redis://redis.example.in/0"), Redis)


def test_waiting_ends_well_before_a_webhook_does() -> None:
    options = options_of("redis://redis.example.in/0")
    assert (options["socket_connect_timeout"], options["socket_timeout"]) == (CONNECT_SECONDS, ANSWER_SECONDS)
    assert options["retry"].get_retries() == RETRIES
    assert (1 + RETRIES) * max(CONNECT_SECONDS, ANSWER_SECONDS) + RETRIES * RETRY_PAUSE_SECONDS < 3


def test_a_client_with_less_time_waits_less() -> None:
    options = options_of("redis://redis.example.in/0", answer_seconds=0.5, retries=0)
    assert (options["socket_connect_timeout"], options["socket_timeout"]) == (0.5, 0.5)
    assert options["retry"].get_retries() == 0


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2)])
def test_a_server_that_hangs_up_is_tried_as_often_as_was_said(retries: int, attempts: int) -> None:
    attempted = 0
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            nonlocal attempted
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return
                attempted += 1

        acceptor = threading.Thread(target=hang_up, daemon=True)
        acceptor.start()
        with pytest.raises(RedisError):
            connect(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", retries=retries).ping()
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join(timeout=120)
    assert attempted == attempts


def test_a_port_that_nobody_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(RedisError):
        connect(f"redis://127.0.0.1:{port}/0", answer_seconds=0.5).ping()


def test_one_server_with_an_ipv6_address() -> None:
    options = options_of("redis://:pw@[2001:db8::1]:6380/3")
    assert (options["host"], options["port"], options["db"]) == ("2001:db8::1", 6380, 3)


# --- Sentinel ------------------------------------------------------------------------------------------------------


def sentinel_pool(url: str) -> SentinelConnectionPool:
    client = connect(url)
    assert isinstance(client, Redis)
    pool = client.connection_pool
    assert isinstance(pool, SentinelConnectionPool)
    return pool


def test_sentinel() -> None:
    pool = sentinel_pool("redis+sentinel://user:p%40ss@one.example.in:26380,two.example.in/mymaster/2")
    assert pool.service_name == "mymaster"
    assert pool.connection_kwargs["db"] == 2
    assert (pool.connection_kwargs["username"], pool.connection_kwargs["password"]) == ("user", "p@ss")
    assert pool.connection_kwargs["socket_timeout"] == ANSWER_SECONDS
    sentinels = [sentinel.connection_pool.connection_kwargs for sentinel in pool.sentinel_manager.sentinels]
    assert [(options["host"], options["port"]) for options in sentinels] == [
        ("one.example.in", 26380),
        ("two.example.in", 26379),
    ]


def test_sentinels_with_ipv6_addresses() -> None:
    pool = sentinel_pool("redis+sentinel://:pw@[2001:db8::1]:26380,[2001:db8::2]:26379/mymaster")
    sentinels = [sentinel.connection_pool.connection_kwargs for sentinel in pool.sentinel_manager.sentinels]
    assert [(options["host"], options["port"]) for options in sentinels] == [
        ("2001:db8::1", 26380),
        ("2001:db8::2", 26379),
    ]


def test_sentinel_without_a_password_and_a_database() -> None:
    pool = sentinel_pool("redis+sentinel://one.example.in/mymaster")
    assert pool.connection_kwargs["db"] == 0
    assert (pool.connection_kwargs["username"], pool.connection_kwargs["password"]) == (None, None)


def test_the_sentinels_have_a_password_of_their_own() -> None:
    pool = sentinel_pool("redis+sentinel://:data@one.example.in/mymaster?sentinel_password=watch&other=1")
    (sentinel,) = pool.sentinel_manager.sentinels
    assert sentinel.connection_pool.connection_kwargs["password"] == "watch"
    assert pool.connection_kwargs["password"] == "data"


@pytest.mark.parametrize("query", ["", "?sentinel_password=watch"])
def test_a_sentinel_that_hangs_is_given_up_on_as_soon_as_a_server(query: str) -> None:
    pool = sentinel_pool(f"redis+sentinel://one.example.in/mymaster{query}")
    (sentinel,) = pool.sentinel_manager.sentinels
    options = sentinel.connection_pool.connection_kwargs
    assert options.get("socket_timeout") == ANSWER_SECONDS
    assert options.get("socket_connect_timeout") == CONNECT_SECONDS
    assert options["retry"].get_retries() <= RETRIES


# --- Cluster -------------------------------------------------------------------------------------------------------


def cluster(url: str) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """The addresses that are asked for the nodes, and how each node is connected to; nothing is asked for this."""
    client = connect(url)
    assert isinstance(client, Cluster)
    return client._topology.hosts, client._nodes.connection_kwargs


def test_cluster() -> None:
    hosts, options = cluster("redis+cluster://user:p%40ss@one.example.in:7000,two.example.in")
    assert hosts == [("one.example.in", 7000), ("two.example.in", 6379)]
    assert (options["username"], options["password"]) == ("user", "p@ss")
    assert (options["socket_connect_timeout"], options["socket_timeout"]) == (CONNECT_SECONDS, ANSWER_SECONDS)
    assert "ssl" not in options


def test_cluster_with_an_ipv6_address() -> None:
    hosts, options = cluster("redis+cluster://:pw@[2001:db8::1]")
    assert hosts == [("2001:db8::1", 6379)]
    assert options["password"] == "pw"


def test_cluster_behind_tls() -> None:
    assert cluster("rediss+cluster://one.example.in")[1]["ssl"] is True


def test_the_plain_schemes_use_plain_connections() -> None:
    client = connect("redis://redis.example.in/0")
    assert isinstance(client, Redis)
    assert client.connection_pool.connection_class is Connection


# --- what is away --------------------------------------------------------------------------------------------------


@contextmanager
def hanging_server() -> Iterator[tuple[int, list[socket.socket]]]:
    """Takes connections and answers nothing; its port, and the connections so far."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        acceptor = threading.Thread(target=take, daemon=True)
        acceptor.start()
        yield listener.getsockname()[1], taken
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join(timeout=5)
        for connection in taken:
            connection.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis://nowhere.invalid/0",
        "rediss://nowhere.invalid/0",
        "redis+sentinel://nowhere.invalid,nobody.invalid/mymaster/0",
        "redis+cluster://nowhere.invalid,nobody.invalid:7000",
        "rediss+cluster://nowhere.invalid",
    ],
)
def test_a_client_of_nobody_is_built_and_says_so_when_it_is_used(url: str) -> None:
    client = connect(url, answer_seconds=0.5)
    client.register_script("return 1")
    for _ in range(2):
        with pytest.raises(RedisError):
            client.get("{s0}:a")


@pytest.mark.parametrize("retries", [0, 1])
def test_within_a_try_there_is_one_try(tmp_path: Path, retries: int) -> None:
    """A server hangs that a connection leads to already: each try takes a new one, and none is tried twice."""
    with hanging_server() as (port, taken):
        client = connect(f"redis://127.0.0.1:{port}/0", answer_seconds=0.3, retries=retries)
        assert isinstance(client, Redis)
        with running_redis(tmp_path) as real:
            client.connection_pool.connection_kwargs["port"] = real.port
            client.ping()
            assert real.process
            (connection,) = client.connection_pool._available_connections
            connection.port = port
            real.pause()
            with pytest.raises(RedisError):
                client.ping()
    assert len(taken) == retries


def test_sentinels_that_hang_are_asked_side_by_side() -> None:
    with hanging_server() as (one, by_one), hanging_server() as (two, by_two), hanging_server() as (three, by_three):
        client = connect(f"redis+sentinel://127.0.0.1:{one},127.0.0.1:{two},127.0.0.1:{three}/mymaster", 0.5, retries=0)
        with pytest.raises(RedisError):
            client.ping()
    assert len(by_one) == len(by_two) == len(by_three) == 1


def test_nodes_that_hang_are_asked_once_for_all_who_wait() -> None:
    with hanging_server() as (port, taken):
        client = connect(f"redis+cluster://127.0.0.1:{port}", answer_seconds=0.5)
        failed: list[Exception] = []

        def use() -> None:
            try:
                client.get("{s0}:a")
            except RedisError as error:
                failed.append(error)

        users = [threading.Thread(target=use) for _ in range(30)]
        for user in users:
            user.start()
        for user in users:
            user.join(timeout=20)
    assert len(failed) == 30
    assert len(taken) < 10


@pytest.mark.redis_server
def test_a_server_that_was_demoted_is_left(tmp_path: Path) -> None:
    """Its name may lead to another one by now."""
    with running_redis(tmp_path) as server:
        client = connect(server.url)
        before = client.client_id()
        server.client().replicaof("127.0.0.1", 1)
        with pytest.raises(ReadOnlyError):
            client.set("a", "1")
        assert client.client_id() != before


@pytest.mark.redis_server
@pytest.mark.parametrize("fault", ["killed", "hanging", "demoted"])
def test_after_a_failover_a_second_try_meets_the_new_server(tmp_path: Path, fault: str) -> None:
    """The connection in the pool still leads to the old one."""
    with running_sentinel(tmp_path) as (old, new, sentinel):
        client = connect(f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster")
        assert client.set("a", "1")
        match fault:
            case "killed":
                old.kill()
            case "hanging":
                old.pause()
            case _:
                eventually(lambda: fails_over(sentinel))
        eventually(lambda: port_of_master(sentinel) == new.port)
        assert client.set("a", "2")


def fails_over(sentinel: RedisServer) -> bool:
    """Whether the sentinel does as it is told: at first it may not know the replica well enough."""
    try:
        return bool(sentinel.client().execute_command("SENTINEL", "FAILOVER", "mymaster"))
    except ResponseError:
        return False


def port_of_master(sentinel: RedisServer) -> int:
    master = sentinel.client().sentinel_master("mymaster")
    assert isinstance(master, dict)
    return int(master["port"])


def eventually(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def takes(client: AnyRedis, value: str) -> bool:
    try:
        return bool(client.set("{s0}:a", value))
    except RedisError:
        return False


# --- a real cluster ------------------------------------------------------------------------------------------------


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[RedisServer]]:
    with running_nodes(tmp_path, 3, 0, 1000, "--cluster-require-full-coverage", "no") as running:
        yield running


@pytest.mark.redis_server
def test_what_one_node_lacks_concerns_no_other(nodes: list[RedisServer]) -> None:
    """One is away, another has forgotten its scripts: a turn there goes on, and so does a client that is new."""
    gone, forgetful, whole = nodes
    old, new = connect(cluster_url(nodes)), connect(cluster_url(nodes))
    assert isinstance(old, RedisCluster)
    keys = {old.get_node_from_key(key).port: key for key in ("{s0}:a", "{s1}:a", "{s2}:a", "{s3}:a")}
    script = old.register_script("return redis.call('SET', KEYS[1], 1)")
    for node in nodes:
        assert script(keys=[keys[node.port]]) == b"OK"
    forgetful.client().script_flush()
    gone.kill()
    for client in (old, new):
        for node in (forgetful, whole):
            assert client.register_script("return redis.call('SET', KEYS[1], 2)")(keys=[keys[node.port]]) == b"OK"
            assert client.mget(keys[node.port], keys[node.port]) == [b"2", b"2"]
            pipeline = client.pipeline(transaction=False)
            pipeline.zcard(f"{keys[node.port]}:z")
            assert pipeline.execute() == [0]
        with pytest.raises(RedisError):
            client.get(keys[gone.port])


@pytest.mark.redis_server
def test_a_cluster_that_comes_back_at_other_addresses_is_found(nodes: list[RedisServer], tmp_path: Path) -> None:
    """The URL leads to it, as a name does whose addresses change."""
    client = connect(cluster_url(nodes))
    client.set("{s0}:a", "old")
    for node in nodes:
        node.kill()
    with pytest.raises(RedisError):
        client.get("{s0}:a")
    (tmp_path / "moved").mkdir()
    with running_nodes(tmp_path / "moved", 2) as moved:
        assert isinstance(client, Cluster)
        client._topology.hosts[:] = [("127.0.0.1", node.port) for node in moved]
        eventually(lambda: takes(client, "new"))
        assert {node.port for node in RedisCluster.get_primaries(client)} == {node.port for node in moved}
