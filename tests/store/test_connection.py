"""From REDIS_URL to a client that gives up in time, whatever kind of Redis it names."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from redis import Redis
from redis.connection import Connection, SSLConnection
from redis.exceptions import RedisError
from redis.sentinel import SentinelConnectionPool

from onboarding_bot.store import connection
from onboarding_bot.store.connection import ANSWER_SECONDS, CONNECT_SECONDS, RETRIES, RETRY_PAUSE_SECONDS, connect


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


def test_whoever_has_less_time_waits_less() -> None:
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


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What RedisCluster is called with; the real one asks for the cluster's nodes at once."""
    called: dict[str, Any] = {}
    monkeypatch.setattr(connection, "RedisCluster", lambda **options: called.update(options))
    return called


def test_cluster(cluster: dict[str, Any]) -> None:
    connect("redis+cluster://user:p%40ss@one.example.in:7000,two.example.in")
    assert [(node.host, node.port) for node in cluster["startup_nodes"]] == [
        ("one.example.in", 7000),
        ("two.example.in", 6379),
    ]
    assert (cluster["username"], cluster["password"]) == ("user", "p@ss")
    assert (cluster["socket_connect_timeout"], cluster["socket_timeout"]) == (CONNECT_SECONDS, ANSWER_SECONDS)
    assert "ssl" not in cluster


def test_cluster_with_an_ipv6_address(cluster: dict[str, Any]) -> None:
    connect("redis+cluster://:pw@[2001:db8::1]")
    assert [(node.host, node.port) for node in cluster["startup_nodes"]] == [("2001:db8::1", 6379)]
    assert cluster["password"] == "pw"


def test_cluster_behind_tls(cluster: dict[str, Any]) -> None:
    connect("rediss+cluster://one.example.in")
    assert cluster["ssl"] is True


def test_the_plain_schemes_use_plain_connections() -> None:
    client = connect("redis://redis.example.in/0")
    assert isinstance(client, Redis)
    assert client.connection_pool.connection_class is Connection
