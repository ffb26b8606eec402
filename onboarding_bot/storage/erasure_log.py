"""Who was erased and when: the list that a restored backup erases again, and the lines owed to the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.observability.logs import audit, describe, logger
from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import SHARDS, Keys
from onboarding_bot.storage.milliseconds import moment_at, unix_milliseconds
from onboarding_bot.storage.redis_errors import unavailable_on_error


class ErasureLog:
    """Reads the list of erasures, and writes their audit lines.

    Every method raises StoreUnavailableError when Redis does not answer in time.
    """

    def __init__(self, client: AnyRedis, person_keys: Keys) -> None:
        self._client = client
        self._keys = person_keys

    def erased_since(self, moment: datetime) -> list[tuple[str, datetime]]:
        """The ids of the people who were erased since ``moment``, each with the time of the last erasure."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zrangebyscore(keys.erasures_of(shard), unix_milliseconds(moment), "+inf", withscores=True)
            found = [pair for answer in pipeline.execute() for pair in answer]
        return [(person_id.decode(), moment_at(score)) for person_id, score in found]

    def has(self, person_id: str, erased_at: datetime) -> bool:
        """Whether this person was erased at ``erased_at`` or since."""
        with unavailable_on_error():
            listed: Any = self._client.zscore(self._keys.erasures(person_id), person_id)
        return listed is not None and listed >= unix_milliseconds(erased_at)

    def forget_before(self, moment: datetime) -> None:
        """Drop erasures before ``moment``: no backup is older, so none has these people."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zremrangebyscore(keys.erasures_of(shard), "-inf", f"({unix_milliseconds(moment)}")
                pipeline.zremrangebyscore(keys.unlogged_erasures_of(shard), "-inf", f"({unix_milliseconds(moment)}")
            pipeline.execute()

    def write_line(self, person_id: str, erased_at: datetime) -> bool:
        """Write the audit line of an erasure, and take it out of the unlogged ones; whether the line was written.

        A crash in between has it written twice. Where a backup is restored, the log is the only place that knows of the
        erasures since. The erasure itself waits for nothing: Redis is its proof.
        """
        is_written = audit("erased", person_id=person_id, erased_at=erased_at.isoformat())
        try:
            if is_written:
                with unavailable_on_error():
                    self._client.zrem(self._keys.unlogged_erasures(person_id), person_id)
        except StoreUnavailableError as error:
            # The person is erased, and is told so; the line will come a second time.
            logger().warning("audit_line_still_owed", code=error.code, **describe(error))
        return is_written

    def write_missing_lines(self, before: datetime) -> None:
        """Write the audit lines that the log lacks of erasures up to ``before``: it took none then, or a crash came."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zrangebyscore(
                    keys.unlogged_erasures_of(shard), "-inf", unix_milliseconds(before), withscores=True
                )
            unlogged = [pair for answer in pipeline.execute() for pair in answer]
        for person_id, score in unlogged:
            if not self.write_line(person_id.decode(), moment_at(score)):
                return
