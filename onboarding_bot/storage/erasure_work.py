"""The work that an erasure leaves for later: messages to delete at Twilio, and what other shards hold of the person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import Keys, due_member
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_errors import unavailable_on_error

# By then the reply to the erasure is at Twilio too, and is deleted with the other messages.
MESSAGES_DELETED_AFTER = timedelta(minutes=1)
# An outage of a few days at Twilio is waited for; after that operators have to act.
MESSAGES_GIVEN_UP_AFTER = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class OtherShards:
    """What is to be erased outside the person's own shard, under the own hash of one address.

    ``tombstone`` is the opt-out to leave there, ``erasure_reply`` what copies of ``messages`` (their SIDs) are answered
    with, and ``records`` the ids of other records of this person, such as a hidden one or one not yet joined.
    """

    person_id: str
    tombstone: str
    erasure_reply: str
    messages: tuple[str, ...] = ()
    records: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """The work as JSON."""
        return {
            "person": self.person_id,
            "tombstone": self.tombstone,
            "goodbye": self.erasure_reply,
            "messages": list(self.messages),
            "records": list(self.records),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The work that ``to_record`` wrote."""
        messages, records = tuple(record["messages"]), tuple(record["records"])
        return cls(record["person"], record["tombstone"], record["goodbye"], messages, records)


@dataclass(frozen=True, slots=True)
class Deletion:
    """One address whose messages at Twilio are to be deleted: those up to the erasure, and the reply to it.

    ``other_shards`` is what is to be erased in Redis as well, where the address has another shard than the person.
    """

    address: str
    erased_at: datetime
    other_shards: OtherShards | None = None


class Deletions:
    """Reads and ends deletions, which the erasure writes (erase.lua).

    Every method that asks Redis raises StoreUnavailableError when it does not answer in time.
    """

    def __init__(self, client: AnyRedis, person_keys: Keys, sealer: Sealer) -> None:
        self._client = client
        self._keys = person_keys
        self._sealer = sealer

    def sealed(self, deletion: Deletion, deletion_id: str) -> bytes:
        """The deletion as an encrypted value."""
        record: dict[str, Any] = {"address": deletion.address, "erased_at": deletion.erased_at.isoformat()}
        if deletion.other_shards:
            record["forgets"] = deletion.other_shards.to_record()
        return self._sealer.seal(record, "messages", deletion_id)

    def find(self, deletion_id: str) -> Deletion | None:
        """The deletion with this id; None when it has ended, or cannot be read."""
        with unavailable_on_error():
            value: Any = self._client.get(self._keys.messages_to_delete(deletion_id))
        record = self._sealer.record("messages", deletion_id, value)
        if record is None:
            return None
        # A release before this one wrote none.
        other_shards = OtherShards.from_record(record["forgets"]) if "forgets" in record else None
        return Deletion(record["address"], datetime.fromisoformat(record["erased_at"]), other_shards)

    def end(self, deletion_id: str) -> None:
        """Delete the deletion itself, and take it out of the due work."""
        with unavailable_on_error():
            self._client.delete(self._keys.messages_to_delete(deletion_id))
            self._client.zrem(self._keys.due(deletion_id), due_member(DueWork.MESSAGES, deletion_id))
