"""What an erasure does outside the person's shard: under the own hashes of further addresses, and to other records."""

from __future__ import annotations

from dataclasses import replace

from onboarding_bot.conversation.session import REMEMBERED_FOR
from onboarding_bot.storage.aliases import FOR_GOOD, Alias, AliasKind, write_alias
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.erasure_log import ErasureLog
from onboarding_bot.storage.erasure_work import Deletion
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.milliseconds import milliseconds
from onboarding_bot.storage.record_erasure import RecordErasure, RecordErasures, began_after
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.scripts import Scripts


class AddressErasures:
    """Erases people under their further addresses.

    Every method raises StoreUnavailableError when Redis does not answer in time.
    """

    def __init__(
        self, client: AnyRedis, person_keys: Keys, store: RedisSessionStore, records: RecordErasures, log: ErasureLog
    ) -> None:
        self._client = client
        self._keys = person_keys
        self._store = store
        self._records = records
        self._log = log
        self._scripts = Scripts(client)

    def erase(self, deletion: Deletion) -> None:
        """Erase the person in the other shards that this deletion names; doing it twice changes nothing."""
        work = deletion.other_shards
        if work is None:
            return
        erasure = RecordErasure(deletion.erased_at, work.tombstone, work.erasure_reply, work.messages)
        for record_id in work.records:
            self._erase_other_record(record_id, erasure)
        if self._keys.person_id(deletion.address) != work.person_id:
            self._erase_address(deletion.address, work.person_id, erasure)

    def _erase_address(self, address: str, person_id: str, erasure: RecordErasure) -> None:
        """Leave the opt-out under the address's own hash, where the address leads once the alias has ended."""
        own = self._keys.person_id(address)
        while not self._is_back(person_id, address):
            known = self._store.load(own)
            alias = Alias.from_value(known.alias)
            if alias and (alias.person_id != person_id or alias.kind is AliasKind.RELEASED):
                # By now it is another person's, or nobody's.
                return
            if alias and alias.is_passed_on:
                self._leave_to_next_holder(address, known.alias, person_id, erasure)
                return
            if began_after(known, erasure.at) or self._log.has(own, erasure.at):
                return
            # For so long copies of earlier messages find the reply, which stands under the person's id.
            left = replace(erasure, messages=(), alias_left_ms=milliseconds(REMEMBERED_FOR) if alias else None)
            if self._records.erase(known, left) is None and self._is_back(person_id, address):
                # The alias is renewed, like all aliases, when the person writes again.
                with unavailable_on_error():
                    self._client.persist(self._keys.alias(own))

    def _leave_to_next_holder(self, address: str, alias: bytes, person_id: str, erasure: RecordErasure) -> None:
        """Leave opt-out and reply under the id of the next holder, and let the address lead there at once.

        The record under the address's own hash is an earlier holder's.
        """
        next_id = self._keys.next_holder_id(address, person_id)
        while not self._log.has(next_id, erasure.at):
            known = self._store.load(next_id)
            if known.has_record or known.link:
                # There has been a next holder already, who has other addresses by now.
                next_id = self._keys.next_holder_id(address, next_id)
            else:
                self._records.erase(known, erasure)
        passed_on = Alias(next_id, AliasKind.PASSED_ON).to_value()
        write_alias(self._scripts, self._keys, self._keys.person_id(address), passed_on, alias, FOR_GOOD)

    def _erase_other_record(self, record_id: str, erasure: RecordErasure) -> None:
        """Erase another record of the person; one without an alias belongs to someone who writes from its address."""
        known = self._store.load(record_id)
        while known.has_record and known.alias and not began_after(known, erasure.at):
            own = replace(RecordErasure.of(known, erasure.at), erasure_reply=erasure.erasure_reply)
            conflict = self._records.erase(known, own)
            known = conflict.newer if conflict else self._store.load(record_id)

    def _is_back(self, person_id: str, address: str) -> bool:
        """Whether the erased person has signed up anew, with this address among others."""
        person = self._store.load(person_id)
        return person.has_record and person.link is not None and person.link.covers((address,))
