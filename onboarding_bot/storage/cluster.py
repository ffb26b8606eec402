"""A Redis Cluster client that is built without I/O, and finds the cluster's nodes in bounded time."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, NodesManager, RedisCluster
from redis.commands.core import Script
from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisClusterException, RedisError
from redis.retry import Retry

Address = tuple[str, int]
_Answer = TypeVar("_Answer")

# So many of the nodes known last are asked concurrently, beside those of the URL.
NODES_ASKED = 8
# Commands that waited for the nodes while none answered share that outcome; later ones ask again.
SHARED_SECONDS = 0.25
# The host of the start node, before any node was asked.
_START_HOST = "not-asked-yet"
_NOTHING_KNOWN = [[0, REDIS_CLUSTER_HASH_SLOTS - 1, [_START_HOST, 0]]]
# Where the keys of the commands that the bot uses stand, as Redis's COMMAND tells it: asking a node would fail while it
# is away. redis-py asks for commands that are not listed here.
_ALL_ARE_KEYS = ("mget", "del", "unlink", "exists")
_FIRST_IS_KEY = (
    *("get", "set", "dump", "restore", "pttl", "pexpire", "zadd", "zrem", "zcard", "zcount", "zmscore"),
    *("zrange", "zrevrange", "zrangebyscore", "zremrangebyscore", "hget", "hmget", "hgetall", "hset", "smembers"),
    *("type", "ttl", "bitfield", "hincrby", "hlen", "zscore", "llen", "lindex"),
)


class Cluster(RedisCluster):
    """redis-py's own client, except for when and how long it asks for the cluster's nodes.

    Building it does no I/O. The first command asks, and so do the next ones until a node answers. Nodes are asked
    concurrently, for ``seconds`` in all, those of the URL always among them: a cluster that came back at other
    addresses is found again.
    """

    _is_known = True
    _nodes: NodesManager

    def __init__(self, hosts: Sequence[Address], *, seconds: float, retry: Retry, **options: Any) -> None:
        self._topology = _Topology(hosts, seconds, options)
        start = ClusterNode(_START_HOST, 0, redis_connection=self._topology)
        # The start node asks all others, and so it stays the only one.
        super().__init__(startup_nodes=[start], dynamic_startup_nodes=False, retry=retry, **options)
        self._topology.may_ask = True
        self._is_known = False

    @property
    def nodes_manager(self) -> NodesManager:
        """The nodes and their slots. Raises a RedisError while no node tells of them."""
        if not self._is_known:
            _as_connection_error(self._nodes.initialize)
            self._is_known = True
        return self._nodes

    @nodes_manager.setter
    def nodes_manager(self, nodes: NodesManager) -> None:
        """Where redis-py puts them when it is built."""
        self._nodes = nodes

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """As in redis-py; without any node it is a ConnectionError, as from a server that is away."""
        return _as_connection_error(lambda: super(Cluster, self).execute_command(*args, **options))  # type: ignore[no-untyped-call]

    def command(self, **_options: Any) -> dict[str, dict[str, Any]]:
        """Where keys stand in commands; redis-py would ask a node for it."""
        last_keys = dict.fromkeys(_FIRST_IS_KEY, 1) | dict.fromkeys(_ALL_ARE_KEYS, -1)
        return {
            name: {"name": name, "flags": [], "first_key_pos": 1, "last_key_pos": last, "step_count": 1}
            for name, last in last_keys.items()
        }

    def register_script(self, script: str | bytes) -> Script:  # type: ignore[override]
        """A script that is sent to the node that runs it, and to no other."""
        return _Script(self, script)

    def close(self) -> None:
        """End all connections; no node is asked any more."""
        self._is_known = True
        super().close()


class _Script(Script):
    """redis-py would load a script into all primaries where one has forgotten it, and fail while another is away."""

    def __call__(self, keys: Sequence[Any] | None = None, args: Any = None, client: Any = None) -> Any:
        given = (*(keys or ()), *(args or ()))
        client = client or self.registered_client
        try:
            return client.evalsha(self.sha, len(keys or ()), *given)
        except NoScriptError:
            return client.eval(self.script, len(keys or ()), *given)


class _Topology(Redis):
    """The client's start node: asked for the slots, it passes on the first complete answer of any node.

    redis-py asks one node after the other, each for its whole time-out, and every caller that waits asks again.
    """

    def __init__(self, hosts: Sequence[Address], seconds: float, options: dict[str, Any]) -> None:
        super().__init__()
        self.hosts = list(hosts)
        self.may_ask = False
        self._seconds = seconds
        self._options = options
        self._nodes: list[Address] = []
        self._failed_at = float("-inf")

    def execute_command(self, *_args: Any, **_options: Any) -> Any:
        """The answer to CLUSTER SLOTS. redis-py lets one caller ask at a time."""
        if not self.may_ask:
            return _NOTHING_KNOWN
        if time.monotonic() - self._failed_at < SHARED_SECONDS:
            raise RedisConnectionError("no node of the cluster answered a moment ago")
        try:
            slots = self._ask()
        except RedisError:
            self._failed_at = time.monotonic()
            raise
        self._nodes = list({(host, port) for _first, _last, *nodes in slots for host, port, *_rest in nodes})
        return slots

    def _ask(self) -> list[list[Any]]:
        known = random.sample(self._nodes, min(len(self._nodes), NODES_ASKED))
        asked = {*self.hosts, *known}
        answers: queue.Queue[list[list[Any]] | RedisError] = queue.Queue()
        deadline = time.monotonic() + self._seconds
        for address in asked:
            threading.Thread(target=self._ask_one, args=(address, answers), daemon=True).start()
        fault: RedisError | None = None
        for _ in asked:
            try:
                answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if isinstance(answer, list):
                return answer
            fault = answer
        raise RedisConnectionError(f"no node of the cluster tells of its slots: {fault or 'none answers'}") from fault

    def _ask_one(self, address: Address, answers: queue.Queue[list[list[Any]] | RedisError]) -> None:
        host, port = address
        timeouts = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), self._seconds)
        try:
            with Redis(host=host, port=port, retry=Retry(NoBackoff(), 0), **self._options | timeouts) as node:
                slots = [_addressed(part, host) for part in node.execute_command("CLUSTER SLOTS")]
            if sum(last - first + 1 for first, last, *_nodes in slots) < REDIS_CLUSTER_HASH_SLOTS:
                raise RedisError("a node does not know of all slots")
            answers.put(slots)
        except RedisError as error:
            answers.put(error)
        except (OSError, ValueError) as error:
            # The name cannot be resolved, or the server is no node of a cluster.
            answers.put(RedisError(str(error)))


def _addressed(part: list[Any], asked: str) -> list[Any]:
    """A range of slots whose nodes have hosts; a node that does not know its own gets the host that was asked."""
    first, last, *nodes = part
    return [first, last, *([_text(host) or asked, int(port), *rest] for host, port, *rest in nodes)]


def _text(host: bytes | str | None) -> str:
    return host.decode() if isinstance(host, bytes) else host or ""


def _as_connection_error(ask: Callable[[], _Answer]) -> _Answer:
    """The answer of ``ask``; where no node was found, redis-py raises an error that is no RedisError."""
    try:
        return ask()
    except RedisClusterException as error:
        if error.__cause__ is None:
            raise
        raise RedisConnectionError(str(error)) from error
