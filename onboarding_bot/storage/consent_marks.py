"""Which people have a yes to service messages that today's rule has not looked at: found by the indexes of contacts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.errors import unavailable_on_error
from onboarding_bot.storage.keys import SHARDS, Keys, contacts_of

AT_ONCE = 500


class ConsentMarks:
    """Reads the permits. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis, person_keys: Keys) -> None:
        self._client = client
        self._keys = person_keys

    def unreviewed(self) -> Iterator[str]:
        """The ids of these people, shard by shard; whoever writes meanwhile is met once or, now and then, twice."""
        for shard in range(SHARDS):
            for people in self._people(shard):
                yield from self._unreviewed(people)

    def _people(self, shard: int) -> Iterator[list[str]]:
        cursor = 0
        while True:
            with unavailable_on_error():
                found: Any = self._client.zscan(contacts_of(shard), cursor, count=AT_ONCE)
            cursor, members = int(found[0]), found[1]
            yield [member.decode() for member, _ in members]
            if cursor == 0:
                return

    def _unreviewed(self, people: list[str]) -> list[str]:
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for person_id in people:
                pipeline.hmget(self._keys.permit(person_id), "service", "service_rule")
            marks = pipeline.execute()
        return [person for person, (given_at, mark) in zip(people, marks, strict=True) if given_at and given_at != mark]
