"""From REDIS_URL to a client: one server, Sentinel or Cluster, with time-outs that fit a webhook."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.cluster import RedisCluster
from redis.exceptions import ReadOnlyError, RedisError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelManagedConnection

from onboarding_bot.storage.cluster import Address, Cluster

AnyRedis = Redis | RedisCluster

SENTINEL_PORT = 26379
CLUSTER_PORT = 6379
# redis-py tries ten times over 3 s on its own; a webhook has to say 503 within 3 s instead.
CONNECT_SECONDS = 0.8
ANSWER_SECONDS = 1.0
RETRIES = 1
RETRY_PAUSE_SECONDS = 0.05


def connect(url: str, answer_seconds: float = ANSWER_SECONDS, retries: int = RETRIES) -> AnyRedis:
    """A client for ``url``; nothing is sent, and no name looked up, before the first command.

    ``redis://`` and ``rediss://`` as in redis-py; ``redis+cluster://host:port,host:port`` (``rediss+cluster`` with
    TLS); ``redis+sentinel://host:port,host:port/service/db``. User and password stand before the first host.
    """
    options: dict[str, Any] = {
        "socket_connect_timeout": min(CONNECT_SECONDS, answer_seconds),
        "socket_timeout": answer_seconds,
        "retry": _CommandRetry(ConstantBackoff(RETRY_PAUSE_SECONDS), retries),
        "health_check_interval": 0,
    }
    # A demoted server is read-only: connecting again leads to the new master by the name or by the sentinels.
    moving: dict[str, Any] = {"retry_on_error": [ReadOnlyError]}
    parts = urlsplit(url)
    if parts.scheme in {"redis", "rediss"}:
        return Redis.from_url(url, **options, **moving)
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    login: dict[str, Any] = {"username": unquote(username) or None, "password": unquote(password) or None}
    if parts.scheme == "redis+sentinel":
        service, _, database = parts.path.strip("/").partition("/")
        asking = options | {"retry": Retry(ConstantBackoff(RETRY_PAUSE_SECONDS), 0)} | _sentinel_login(parts.query)
        sentinels = _Sentinels(_hosts(hosts, SENTINEL_PORT), sentinel_kwargs=asking, **options)  # type: ignore[no-untyped-call]
        moving["connection_class"] = _MasterConnection
        client: Redis = sentinels.master_for(service, db=int(database or 0), **login, **options, **moving)  # type: ignore[no-untyped-call]
        return client
    tls: dict[str, Any] = {"ssl": True} if parts.scheme == "rediss+cluster" else {}
    seconds = min(CONNECT_SECONDS, answer_seconds)
    return Cluster(_hosts(hosts, CLUSTER_PORT), seconds=seconds, **login, **tls, **options)


class _CommandRetry(Retry):
    """Retries a command, and not each connection that the command needs as well: the times would multiply.

    Each connection has a copy of its own, which one thread uses at a time.
    """

    _is_trying = False

    def call_with_retry(self, do: Callable[[], Any], fail: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """As in redis-py; inside a try there is only one try."""
        if self._is_trying:
            return Retry(self._backoff, 0, self._supported_errors).call_with_retry(do, fail, *args, **options)
        self._is_trying = True
        try:
            return super().call_with_retry(do, fail, *args, **options)
        finally:
            self._is_trying = False


class _MasterConnection(SentinelManagedConnection):
    """Asks the sentinels for the master again before a retry: redis-py would go back to the server that it lost."""

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """As in redis-py, over a connection to the master that the sentinels name now."""
        if not self._sock:
            self.connect()  # type: ignore[no-untyped-call]
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]


class _Sentinels(Sentinel):
    """Asks the sentinels concurrently: redis-py asks one after the other, each for its whole time-out."""

    def discover_master(self, service_name: str) -> Address:
        """The first address that any of them names. Raises MasterNotFoundError, in time, when none does."""
        answers: queue.Queue[Address | RedisError | None] = queue.Queue()
        for sentinel in self.sentinels:
            threading.Thread(target=self._ask_one, args=(sentinel, service_name, answers), daemon=True).start()
        deadline = time.monotonic() + self.connection_kwargs["socket_connect_timeout"]
        fault: RedisError | None = None
        for _ in self.sentinels:
            try:
                answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if isinstance(answer, tuple):
                return answer
            fault = answer or fault
        raise MasterNotFoundError(f"no sentinel names a server for {service_name!r}: {fault or 'none answers'}")

    def _ask_one(self, sentinel: Redis, service: str, answers: queue.Queue[Address | RedisError | None]) -> None:
        try:
            masters: Any = sentinel.sentinel_masters()
            state = masters.get(service)
            is_good = state and self.check_master_state(state, service)  # type: ignore[no-untyped-call]
            answers.put((state["ip"], state["port"]) if is_good else None)
        except RedisError as error:
            answers.put(error)
        except (OSError, ValueError) as error:
            # The name cannot be resolved, or the server is no sentinel.
            answers.put(RedisError(str(error)))


def _hosts(netloc: str, default_port: int) -> list[Address]:
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
