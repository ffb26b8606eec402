"""The contact records of many people, read in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.storage.aliases import Alias
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import SHARDS, Keys, contacts_of
from onboarding_bot.storage.milliseconds import unix_milliseconds
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_errors import unavailable_on_error

# How many records are read at once, so that memory stays flat however many there are.
BATCH = 500


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person with a contact record (None: it cannot be read), and whether the person wants no messages."""

    contact: Contact | None
    has_opted_out: bool


class Contacts:
    """Reads contact records. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis, person_keys: Keys, sealer: Sealer) -> None:
        self._client = client
        self._keys = person_keys
        self._sealer = sealer

    def of(self, people: Sequence[str]) -> list[Contact | None]:
        """The contact records of people of one shard, in their order; None where there is none."""
        if not people:
            return []
        names = (self._keys.contact, self._keys.draft)
        with unavailable_on_error():
            found: Any = self._client.mget([name(person_id) for person_id in people for name in names])
        values = zip(people, found[::2], found[1::2], strict=True)
        return [self._sealer.contact(person_id, contact, draft) for person_id, contact, draft in values]

    def everybody(self, since: datetime | None = None) -> Iterator[list[KnownPerson]]:
        """All who have a contact record and wrote at ``since`` or later, also those whom no broadcast may reach.

        They come in batches of one shard each. Who is in a shard is asked at once: an index that moves meanwhile hides
        nobody who was known when this began.
        """
        for shard in range(SHARDS):
            lowest = unix_milliseconds(since) if since else "-inf"
            with unavailable_on_error():
                found: Any = self._client.zrangebyscore(contacts_of(shard), lowest, "+inf")
            people = [person_id.decode() for person_id in found]
            for first in range(0, len(people), BATCH):
                yield self._known(people[first : first + BATCH])

    def present_id(self, person_id: str) -> str:
        """The id of the record that a person has now: the one of ``person_id`` may have been joined to another."""
        met: list[str] = []
        while person_id not in met:
            met.append(person_id)
            with unavailable_on_error():
                found: Any = self._client.get(self._keys.alias(person_id))
            alias = Alias.from_value(found or b"")
            if alias and alias.is_same_person:
                person_id = alias.person_id
        return person_id

    def _known(self, people: Sequence[str]) -> list[KnownPerson]:
        names = (self._keys.contact, self._keys.draft, self._keys.opt_out)
        with unavailable_on_error():
            found: Any = self._client.mget([name(person_id) for person_id in people for name in names])
        values = zip(people, found[::3], found[1::3], found[2::3], strict=True)
        return [
            KnownPerson(self._sealer.contact(person_id, contact, draft), has_opted_out=opt_out is not None)
            for person_id, contact, draft, opt_out in values
            # The index is cleared a while after a record has expired.
            if contact is not None
        ]
