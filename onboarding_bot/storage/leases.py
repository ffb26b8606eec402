"""The leases of workers in Redis: which worker schedules, and which job of a broadcast works on a shard."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import in_shard
from onboarding_bot.storage.milliseconds import milliseconds
from onboarding_bot.storage.redis_errors import unavailable_on_error


class ShardWork(StrEnum):
    """What a job does for one broadcast in one shard."""

    ADD_RECIPIENTS = "enrol"
    SEND = "pump"


class Leases:
    """Takes, renews and gives back leases. Every method raises StoreUnavailableError when Redis does not answer."""

    def __init__(self, client: AnyRedis) -> None:
        self._client = client

    def take(self, broadcast_id: str, shard: int, work: ShardWork, life: timedelta) -> bool:
        """Take the lease, if it is free; nobody else gets it until it is over or given back."""
        with unavailable_on_error():
            return bool(self._client.set(_name(broadcast_id, shard, work), "1", nx=True, px=milliseconds(life)))

    def renew(self, broadcast_id: str, shard: int, work: ShardWork, life: timedelta) -> None:
        """Hold the lease for longer."""
        with unavailable_on_error():
            self._client.set(_name(broadcast_id, shard, work), "1", px=milliseconds(life))

    def give_back(self, broadcast_id: str, shard: int, work: ShardWork) -> None:
        """End the lease."""
        with unavailable_on_error():
            self._client.delete(_name(broadcast_id, shard, work))

    def take_scheduler(self, worker: str, life: timedelta) -> bool:
        """Take or renew the one lease of the scheduler; whether this worker holds it now."""
        with unavailable_on_error():
            if self._client.set(keys.SCHEDULER_LEASE, worker, nx=True, px=milliseconds(life)):
                return True
            if self._client.get(keys.SCHEDULER_LEASE) != worker.encode():
                return False
            return bool(self._client.pexpire(keys.SCHEDULER_LEASE, milliseconds(life)))


def _name(broadcast_id: str, shard: int, work: ShardWork) -> str:
    return in_shard(shard, broadcast_id, f"lease-{work}")
