"""The erasure of a person in Redis, under all addresses: at once where that is possible, and the rest as due work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from onboarding_bot.conversation.session import RememberedReply
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.storage.address_erasure import AddressErasures
from onboarding_bot.storage.aliases import Alias
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.erasure_log import ErasureLog
from onboarding_bot.storage.erasure_work import Deletion, Deletions, OtherShards
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.record_erasure import RecordErasure, RecordErasures
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.session_store import NOTHING_COUNTED, Conflict, StoredPerson


class Erasures:
    """Erases people. Every method raises StoreUnavailableError when Redis does not answer in time.

    ``log`` knows who was erased; ``deletions`` are the messages at Twilio that an erasure leaves to be deleted.
    """

    def __init__(self, client: AnyRedis, person_keys: Keys, sealer: Sealer, store: RedisSessionStore) -> None:
        self.log = ErasureLog(client, person_keys)
        self.deletions = Deletions(client, person_keys, sealer)
        self._keys = person_keys
        self._store = store
        self._records = RecordErasures(client, person_keys, store, self.deletions, self.log)
        self._addresses = AddressErasures(client, person_keys, store, self._records, self.log)

    def erase(self, person_id: str, now: datetime, address: str = "") -> bool:
        """Erase a person, also when messages come meanwhile; whether there was more than an opt-out.

        Where the record is gone already, the messages of ``address`` at Twilio are deleted all the same.
        """
        known = self._store.load(person_id)
        alias, had_record = known.alias, known.has_record
        while conflict := self.erase_as_known(known, now, address=address):
            known = conflict.newer
            had_record = had_record or known.has_record
        joined = Alias.from_value(known.alias)
        if joined and joined.is_same_person and known.alias != alias:
            # Meanwhile the record was joined to another one of the same person.
            return self.erase(joined.person_id, now, address) or had_record
        return had_record

    def erase_as_known(
        self,
        known: StoredPerson,
        now: datetime,
        *,
        address: str = "",
        erasure_reply: RememberedReply | None = None,
        counters: Mapping[str, int] = NOTHING_COUNTED,
        day_counters: Mapping[str, int] = NOTHING_COUNTED,
    ) -> Conflict | None:
        """Erase a person in one call, unless something changed since ``known``: then nothing is done.

        ``erasure_reply`` answers the message that asked for it. Twilio may repeat that message afterwards, and any
        earlier one: these copies get the same reply, and begin nothing.
        ``counters`` and ``day_counters`` count with it, as with a commit.

        What the person's other addresses have in other shards is erased right afterwards; where that fails, it stays
        due work, which repeats until it is done.
        """
        erasure = replace(RecordErasure.of(known, now, erasure_reply), counters=counters, day_counters=day_counters)
        erasure = replace(erasure, deletions=self._deletions(known, address, erasure))
        conflict = self._records.erase(known, erasure)
        # A caller whose first answer was lost finds its own work done; the other shards still have to follow.
        if conflict is None or (not conflict.newer.has_record and conflict.newer.alias == known.alias):
            self._erase_other_shards_now(erasure.deletions)
        return conflict

    def repeat(self, person_id: str, erased_at: datetime) -> None:
        """Erase a person in a restored backup who was erased at that time; an alias under this id ends at once."""
        alias = Alias.from_value(self._store.load(person_id).alias)
        if alias is None or not alias.is_same_person:
            self.erase(person_id, erased_at)
            return
        known = self._store.load(person_id)
        while conflict := self._records.erase(known, replace(RecordErasure.of(known, erased_at), alias_left_ms=0)):
            known = conflict.newer

    def erase_other_shards(self, deletion: Deletion) -> None:
        """Erase the person in the other shards that this deletion names; doing it twice changes nothing."""
        self._addresses.erase(deletion)

    def _erase_other_shards_now(self, deletions: Iterable[Deletion]) -> None:
        try:
            for deletion in deletions:
                self.erase_other_shards(deletion)
        except StoreUnavailableError as error:
            # The person is erased, and is told so; the rest is due in a minute.
            logger().warning("erasure_goes_on_later", code=error.code, **describe(error))

    def _deletions(self, known: StoredPerson, address: str, erasure: RecordErasure) -> list[Deletion]:
        """One for each address of the person, the given one first."""
        link, contact = known.link, known.contact
        found = (address, contact.address if contact and not link else "", *(link.addresses if link else ()))
        addresses = [one for one in dict.fromkeys(found) if one]
        if link is None and addresses:
            addresses = addresses[:1]
        others = (*link.absorbing, link.hidden) if link else ()
        records = tuple(one for one in dict.fromkeys(others) if one and one != known.person_id)
        work = OtherShards(known.person_id, erasure.tombstone, erasure.erasure_reply, tuple(erasure.messages))
        deletions = [
            Deletion(one, erasure.at, None if self._keys.person_id(one) == known.person_id else work)
            for one in addresses
        ]
        if deletions and records:
            deletions[0] = replace(deletions[0], other_shards=replace(work, records=records))
        return deletions
