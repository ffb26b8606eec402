"""From REDIS_URL to a client: one server, Sentinel or Cluster, with time-outs that fit a webhook."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

AnyRedis = Redis | RedisCluster

SENTINEL_PORT = 26379
CLUSTER_PORT = 6379
# redis-py tries ten times over 3 s on its own; a webhook has to say 503 within 3 s instead.
CONNECT_SECONDS = 0.8
ANSWER_SECONDS = 1.0
RETRIES = 1
RETRY_PAUSE_SECONDS = 0.05


def connect(url: str, answer_seconds: float = ANSWER_SECONDS, retries: int = RETRIES) -> AnyRedis:
    """A client for ``url``; nothing is sent before the first command, except to find a cluster's nodes.

    ``redis://`` and ``rediss://`` as in redis-py; ``redis+cluster://host:port,host:port`` (``rediss+cluster`` with
    TLS); ``redis+sentinel://host:port,host:port/service/db``. User and password stand before the first host.
    """
    options: dict[str, Any] = {
        "socket_connect_timeout": min(CONNECT_SECONDS, answer_seconds),
        "socket_timeout": answer_seconds,
        "retry": Retry(ConstantBackoff(RETRY_PAUSE_SECONDS), retries),
        "health_check_interval": 0,
    }
    parts = urlsplit(url)
    if parts.scheme in {"redis", "rediss"}:
        return Redis.from_url(url, **options)
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    login: dict[str, Any] = {"username": unquote(username) or None, "password": unquote(password) or None}
    if parts.scheme == "redis+sentinel":
        service, _, database = parts.path.strip("/").partition("/")
        sentinel = Sentinel(
            _hosts(hosts, SENTINEL_PORT), sentinel_kwargs=options | _sentinel_login(parts.query), **options
        )
        client: Redis = sentinel.master_for(service, db=int(database or 0), **login, **options)
        return client
    nodes = [ClusterNode(host, port) for host, port in _hosts(hosts, CLUSTER_PORT)]
    tls: dict[str, Any] = {"ssl": True} if parts.scheme == "rediss+cluster" else {}
    return RedisCluster(startup_nodes=nodes, **login, **tls, **options)


def _hosts(netloc: str, default_port: int) -> list[tuple[str, int]]:
    """Hosts with or without a port; an IPv6 address stands in brackets."""
    parts = [urlsplit(f"//{host}") for host in netloc.split(",")]
    return [(part.hostname or "", part.port or default_port) for part in parts]


def _sentinel_login(query: str) -> dict[str, str]:
    """The sentinels' own password: ``?sentinel_password=…``."""
    return {
        name.removeprefix("sentinel_"): values[0]
        for name, values in parse_qs(query).items()
        if name in {"sentinel_username", "sentinel_password"}
    }
