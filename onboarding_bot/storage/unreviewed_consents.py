"""People whose consent to service messages today's rule has not reviewed: found by the indexes of contacts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import SHARDS, Keys, contacts_of
from onboarding_bot.storage.redis_errors import unavailable_on_error

BATCH = 500


class UnreviewedConsents:
    """Reads the permits. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis, person_keys: Keys) -> None:
        self._client = client
        self._keys = person_keys

    def person_ids(self) -> Iterator[str]:
        """The ids of these people, shard by shard; one who writes meanwhile may come twice."""
        for shard in range(SHARDS):
            for people in self._people(shard):
                yield from self._unreviewed(people)

    def _people(self, shard: int) -> Iterator[list[str]]:
        cursor = 0
        while True:
            with unavailable_on_error():
                found: Any = self._client.zscan(contacts_of(shard), cursor, count=BATCH)
            cursor, members = int(found[0]), found[1]
            yield [member.decode() for member, _ in members]
            if cursor == 0:
                return

    def _unreviewed(self, people: list[str]) -> list[str]:
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for person_id in people:
                pipeline.hmget(self._keys.permit(person_id), "service", "service_rule")
            permits = pipeline.execute()
        return [
            person_id
            for person_id, (given_at, reviewed) in zip(people, permits, strict=True)
            if given_at and given_at != reviewed
        ]
