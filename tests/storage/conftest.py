"""The servers that the store's conformance suite runs on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import fakeredis
import pytest
from redis.exceptions import RedisError

from onboarding_bot.storage.connection import AnyRedis, connect
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.send_slots import SendSlots
from tests.servers import cluster_url as url_of_nodes
from tests.servers import running_cluster, running_nodes, running_redis, wait_for
from tests.storage.broadcasts import KEYS, BroadcastStorage


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as server:
        yield server.cluster_url


@pytest.fixture(scope="session")
def three_primaries_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # On a busy machine nodes are silent for a while, and none of these tests wants one to be given up.
    with running_nodes(tmp_path_factory.mktemp("primaries"), primaries=3, node_timeout_ms=30_000) as nodes:
        yield url_of_nodes(nodes)


SERVERS = {
    "redis-server": "redis_url",
    "redis-server in cluster mode": "cluster_url",
    "a cluster of three primaries": "three_primaries_url",
}


@pytest.fixture(params=["fakeredis", *SERVERS])
def client(request: pytest.FixtureRequest) -> AnyRedis:
    if request.param == "fakeredis":
        return fakeredis.FakeRedis()
    client = connect(request.getfixturevalue(SERVERS[request.param]))
    wait_for(lambda: is_emptied(client), "a server that answers in time")
    return client


def is_emptied(client: AnyRedis) -> bool:
    """Whether nothing is left of the test before; a busy machine may keep a server from answering."""
    try:
        client.flushall()
    except RedisError:
        return False
    return True


@pytest.fixture
def store(client: AnyRedis) -> RedisSessionStore:
    return RedisSessionStore(client, KEYS, Sealer(Cipher([b"k" * 32])), timedelta(days=180), timedelta(days=7))


@pytest.fixture
def storage(client: AnyRedis) -> BroadcastStorage:
    return BroadcastStorage.on(client)


@pytest.fixture
def slots(client: AnyRedis) -> SendSlots:
    return SendSlots(client)
