"""To which person an address leads: its alias in Redis, and the records behind it. Nothing is written here."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from onboarding_bot.storage.aliases import Alias, AliasKind
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.session_store import StoredPerson
from onboarding_bot.whatsapp_address import is_user_id

# For so many addresses a process remembers whose they are: some 4 MB.
CACHED_HOLDERS = 20_000


class ErasedSinceError(Exception):
    """The person was erased after this message came: nothing is learnt from it, and ``person`` has its reply."""

    def __init__(self, person: StoredPerson) -> None:
        super().__init__("the person was erased since")
        self.person = person


@dataclass(slots=True)
class AddressHolder:
    """The person to whom one address leads.

    ``alias`` is the address's alias as it stands. When the address ``is_vacant`` nobody holds it, and ``person`` has
    just lost it. ``hidden_id`` is that of a silent record that stood under the address before. ``unjoined`` are records
    of the person that a crash, or a release without aliases, has left unjoined. When the alias ``is_stale``, the record
    that it led to is another person's by now, and the address belongs to the person of its own hash again.
    """

    person: StoredPerson
    alias: bytes = b""
    is_vacant: bool = False
    is_stale: bool = False
    hidden_id: str = ""
    unjoined: list[StoredPerson] = field(default_factory=list)


class LoadedPeople:
    """The people behind the addresses of one message, each loaded once.

    Methods that load raise StoreUnavailableError when Redis does not answer in time, and ErasedSinceError when the
    person was erased after the message with ``message_sid`` came.
    """

    def __init__(self, store: RedisSessionStore, keys: Keys, message_sid: str = "") -> None:
        self._store = store
        self._keys = keys
        self._message_sid = message_sid
        self._loaded: dict[str, StoredPerson] = {}
        self._hashes: dict[str, str] = {}

    def own_hash(self, address: str) -> str:
        """The address's own hash, computed once for each message."""
        if address not in self._hashes:
            self._hashes[address] = self._keys.person_id(address)
        return self._hashes[address]

    def person(self, person_id: str) -> StoredPerson:
        """What is stored under this id."""
        if person_id not in self._loaded:
            self._loaded[person_id] = self._store.load(person_id, self._message_sid)
        if self._loaded[person_id].erasure_reply:
            raise ErasedSinceError(self._loaded[person_id])
        return self._loaded[person_id]

    def load_together(self, people: Sequence[str]) -> None:
        """Load these people in one MGET, as far as that is possible."""
        self._loaded.update(self._store.load_together(people, self._message_sid))

    def loaded(self, person_id: str) -> StoredPerson | None:
        """This person, if loaded already."""
        return self._loaded.get(person_id)

    def reloaded(self) -> LoadedPeople:
        """The same message with nothing loaded yet: an alias has changed in between."""
        return LoadedPeople(self._store, self._keys, self._message_sid)

    def holder(self, address: str) -> AddressHolder:
        """The person to whom this address leads."""
        own = self.person(self.own_hash(address))
        alias = Alias.from_value(own.alias)
        if alias is None:
            return AddressHolder(own)
        if alias.kind is AliasKind.RELEASED:
            return AddressHolder(self.person(alias.person_id), own.alias, is_vacant=True)
        unjoined = [own] if own.has_record and alias.is_same_person else []
        person = self.resolve(self.person(alias.person_id), unjoined)
        if is_user_id(address) and person.link and person.link.is_another_person((address,)):
            # After an erasure the id still leads for a while to the hash of a number, which may be passed on meanwhile.
            return AddressHolder(own, own.alias, is_stale=True)
        is_hidden = alias.kind is AliasKind.HIDDEN and own.has_record
        return AddressHolder(person, own.alias, hidden_id=own.person_id if is_hidden else "", unjoined=unjoined)

    def resolve(self, person: StoredPerson, unjoined: list[StoredPerson] | None = None) -> StoredPerson:
        """The record to which this one was joined, however often; records still there on the way go to ``unjoined``."""
        met = {person.person_id}
        while (alias := Alias.from_value(person.alias)) and alias.is_same_person and alias.person_id not in met:
            if person.has_record and unjoined is not None:
                unjoined.append(person)
            person = self.person(alias.person_id)
            met.add(person.person_id)
        return person


class HolderCache:
    """Which person an address led to last, for the addresses that this process met lately. It may be out of date."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._person_ids: OrderedDict[str, str] = OrderedDict()

    def find(self, hashes: Sequence[str]) -> str | None:
        """The person id that the last known of these address hashes led to."""
        with self._lock:
            return next((self._person_ids[own] for own in reversed(hashes) if own in self._person_ids), None)

    def remember(self, person_id: str, hashes: Iterable[str]) -> None:
        """These address hashes lead to this person; the hash that is the person's id needs no entry."""
        with self._lock:
            for own in hashes:
                self._person_ids.pop(own, None)
                if own != person_id:
                    self._person_ids[own] = person_id
            while len(self._person_ids) > CACHED_HOLDERS:
                self._person_ids.popitem(last=False)

    def forget(self, hashes: Iterable[str]) -> None:
        """Have the next look-up ask Redis."""
        with self._lock:
            for own in hashes:
                self._person_ids.pop(own, None)
