"""Whether Redis takes what a turn writes: a server that is full, demoted or read-only may still answer PING."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait

from redis.cluster import RedisCluster

from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import SHARDS, probe_of
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.scripts import Scripts

# A probe deletes its key itself; one that breaks off half-way leaves it for so long.
PROBE_LIFE_MS = 60_000
# A primary that has not taken a write by then counts as refusing: one that hangs says nothing of the others.
TIMEOUT_SECONDS = 1.2


class WriteProbe:
    """Writes into a shard by a script, as a turn does; on a cluster into one shard of each primary."""

    def __init__(self, client: AnyRedis) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def refusing(self) -> list[str]:
        """The primaries of a cluster that take no write, as ``host:port``, while others do.

        Raises StoreUnavailableError, which names the reason, when none does.
        """
        deadline = time.monotonic() + TIMEOUT_SECONDS
        keys = self._a_key_of_each_primary()
        if len(keys) == 1:
            # In this thread: one server is the rule.
            self._write(*keys.values())
            return []
        threads = ThreadPoolExecutor(len(keys), thread_name_prefix="write-probe")
        writes = {threads.submit(self._write, key): primary for primary, key in keys.items()}
        threads.shutdown(wait=False)
        answered, hanging = wait(writes, max(0.0, deadline - time.monotonic()))
        refused = {writes[write]: StoreUnavailableError("TimeoutError") for write in hanging}
        for write in answered:
            try:
                write.result()
            except StoreUnavailableError as error:
                refused[writes[write]] = error
        if len(refused) == len(keys):
            raise next(iter(refused.values()))
        return sorted(refused)

    def _a_key_of_each_primary(self) -> dict[str, str]:
        if not isinstance(self._client, RedisCluster):
            return {"": probe_of(0)}
        with unavailable_on_error():
            return {self._client.get_node_from_key(key).name: key for key in map(probe_of, range(SHARDS))}

    def _write(self, key: str) -> None:
        with unavailable_on_error():
            self._scripts.run("write_probe", {"probe": key}, {"life": PROBE_LIFE_MS})
