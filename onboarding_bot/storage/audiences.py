"""The audiences of broadcasts in Redis: the people of each shard as they were when a broadcast began."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import SHARDS, in_shard
from onboarding_bot.storage.milliseconds import unix_milliseconds
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.scripts import Scripts

# How many people are read at once, so that memory stays flat however many there are.
BATCH = 500


class Audiences:
    """Fixes and reads audiences, and keeps how much of each was made recipients.

    Every method raises StoreUnavailableError when Redis does not answer in time.
    """

    def __init__(self, client: AnyRedis) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def fix(self, broadcast_id: str, target_step: OnboardingStep | None, now: datetime) -> int:
        """Fix the audience as it is now, shard by shard; how many people it has. A repeat changes nothing."""
        size = 0
        with unavailable_on_error():
            for shard in range(SHARDS):
                index, lowest = _source(shard, target_step, now)
                size += int(
                    self._scripts.run(
                        "copy_audience",
                        {"audience": in_shard(shard, broadcast_id, "audience"), "index": index},
                        {"lowest": lowest},
                    )
                )
        return size

    def people(self, broadcast_id: str, shard: int, offset: int) -> list[str]:
        """The next people of the fixed audience of a shard; of some only a name may be left (``keys.is_erased``)."""
        with unavailable_on_error():
            found: Any = self._client.zrange(in_shard(shard, broadcast_id, "audience"), offset, offset + BATCH - 1)
        return [person_id.decode() for person_id in found]

    def people_now(self, shard: int, target_step: OnboardingStep | None, now: datetime) -> Iterator[list[str]]:
        """The people that an audience would have now, in batches; for a dry run, which fixes nothing."""
        index, lowest = _source(shard, target_step, now)
        offset = 0
        while True:
            with unavailable_on_error():
                found: Any = self._client.zrangebyscore(index, lowest, "+inf", start=offset, num=BATCH)
            if not found:
                return
            yield [person_id.decode() for person_id in found]
            offset += len(found)

    def progress(self, broadcast_id: str, shard: int) -> int:
        """How many people of this shard's audience were made recipients, or left out."""
        with unavailable_on_error():
            return int(self._client.hget(in_shard(shard, broadcast_id, "progress"), "looked_at") or 0)

    def set_progress(self, broadcast_id: str, shard: int, looked_at: int, *, is_done: bool) -> None:
        """Keep how many people of this shard's audience were made recipients, or left out."""
        with unavailable_on_error():
            self._client.hset(
                in_shard(shard, broadcast_id, "progress"), mapping={"looked_at": looked_at, "done": int(is_done)}
            )

    def unfinished_shards(self, broadcast_id: str) -> list[int]:
        """The shards in which some people of the audience are neither recipients nor left out."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.hget(in_shard(shard, broadcast_id, "progress"), "done")
            return [shard for shard, done in enumerate(pipeline.execute()) if done != b"1"]


def _source(shard: int, target_step: OnboardingStep | None, now: datetime) -> tuple[str, str]:
    """The index that holds an audience's people, and the lowest score of those who belong to it now."""
    if target_step:
        return keys.step_index(shard, target_step), f"({unix_milliseconds(now)}"
    return keys.contacts_of(shard), "-inf"
