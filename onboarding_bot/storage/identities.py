"""Who a person is: from the addresses of a message to the one record that all of them lead to.

A person's id is the keyed hash of the address that was met first. Every further address has an alias in its own shard,
and the person's link lists all of them. What the link lists is the person's, so a message of a person who is known
costs one look-up; aliases are looked at only where the link does not cover the message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from onboarding_bot.conversation.addresses import Link, is_silent
from onboarding_bot.conversation.consent import with_opt_out
from onboarding_bot.conversation.contact import OptOut
from onboarding_bot.errors import BusyError
from onboarding_bot.storage.address_holders import AddressHolder, ErasedSinceError, HolderCache, LoadedPeople
from onboarding_bot.storage.aliases import ASSIGNED, OWN_RECORD, Alias, Aliases, ConcurrentChangeError
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.joins import Commit, Joins
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.plain_records import opt_out_to_store
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.recycled_numbers import RecycledNumbers
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.session_store import StoredPerson
from onboarding_bot.whatsapp_address import CHANNEL, AddressKind, is_user_id

# Another process is quicker so often only when something is broken.
MAX_ATTEMPTS = 8


class Identities:
    """Finds people by their addresses, and learns which addresses are one person's.

    Every method raises StoreUnavailableError when Redis does not answer in time.
    """

    def __init__(
        self, client: AnyRedis, person_keys: Keys, sealer: Sealer, store: RedisSessionStore, contact_life: timedelta
    ) -> None:
        self._client = client
        self._keys = person_keys
        self._store = store
        self._aliases = Aliases(client, person_keys, contact_life)
        self._joins = Joins(client, person_keys, store, self._aliases)
        self._recycled_numbers = RecycledNumbers(client, person_keys, sealer, store, self._aliases)
        self._cache = HolderCache()

    # --- finding a person -------------------------------------------------------------------------------------------

    def load(self, addresses: Sequence[str], message_sid: str, now: datetime) -> StoredPerson:
        """The person that a message with these addresses (``From`` first) comes from; what they tell is learnt.

        The person may have records to join: see ``finish_joins``. Raises BusyError when other processes kept changing
        them.
        """
        for _ in range(MAX_ATTEMPTS):
            people = LoadedPeople(self._store, self._keys, message_sid)
            hashes = [people.own_hash(address) for address in addresses]
            try:
                person = self._identify(addresses, people, now)
            except ErasedSinceError as found:
                return found.person
            except ConcurrentChangeError:
                self._cache.forget(hashes)
                continue
            self._cache.remember(person.person_id, hashes)
            return person
        raise BusyError("the person's addresses kept changing")

    def peek(self, addresses: Sequence[str], message_sid: str = "") -> StoredPerson:
        """The same person as ``load`` finds, as far as that is known; nothing is learnt, and nothing written."""
        try:
            return self._peek(addresses, LoadedPeople(self._store, self._keys, message_sid))
        except ErasedSinceError as found:
            return found.person

    def _peek(self, addresses: Sequence[str], people: LoadedPeople) -> StoredPerson:
        likely = self._likely_person(addresses, people)
        if self._is_certain(likely, addresses, people):
            return likely
        holders = [people.holder(address) for address in sorted(addresses, key=is_user_id, reverse=True)]
        known = [holder.person for holder in holders if not holder.is_vacant and not holder.person.is_empty]
        return known[0] if known else people.person(self._new_person_id(addresses, holders))

    def records_of(self, address: str) -> list[StoredPerson]:
        """The records behind one address: its present holder's, and those that are still to be joined to it."""
        people = LoadedPeople(self._store, self._keys)
        holder = people.holder(address)
        if holder.is_vacant:
            return [people.person(self._keys.next_holder_id(address, holder.person.person_id))]
        return [holder.person, *holder.unjoined]

    def resolve(self, person_id: str) -> StoredPerson:
        """The person that this id stands for by now, if its record was joined to another one."""
        people = LoadedPeople(self._store, self._keys)
        person = people.person(person_id)
        return person if person.has_record else people.resolve(person)

    # --- learning from a message ------------------------------------------------------------------------------------

    def _identify(self, addresses: Sequence[str], people: LoadedPeople, now: datetime) -> StoredPerson:
        likely = self._likely_person(addresses, people)
        if self._is_certain(likely, addresses, people):
            return _with_addresses(likely, addresses, now)
        number = next((address for address in addresses if not is_user_id(address)), None)
        ids = [address for address in addresses if is_user_id(address)]
        if number is None:
            person = self._person_of_ids(ids, people) or people.person(self._new_person_id(addresses, []))
            person = self._with_ids(person, ids, people, now)
        else:
            holder = people.holder(number)
            person = self._with_ids(self._identify_by_number(number, holder, ids, people, now), ids, people, now)
            person = self._with_number(person, number, holder.alias)
        person = self._with_unfinished_joins(person, people, now)
        return _with_addresses(person, addresses, now)

    def _identify_by_number(
        self, number: str, holder: AddressHolder, ids: Sequence[str], people: LoadedPeople, now: datetime
    ) -> StoredPerson:
        """The person who writes with these ids from this number; an earlier holder who is another person loses it.

        ``holder.alias`` becomes the alias that may be replaced when the number is assigned.
        """
        if holder.is_vacant:
            return self._person_of_ids(ids, people) or people.person(self._new_person_id((number, *ids), [holder]))
        if holder.person.link and holder.person.link.is_another_person(ids):
            person = self._person_of_ids(ids, people) or people.person(self._keys.person_id(ids[0]))
            if person.person_id != holder.person.person_id:
                holder.alias = self._recycled_numbers.reassign(number, holder, person)
            return person
        if ids and _may_be_anothers(holder.person, now):
            person = self._person_of_ids(ids, people) or people.person(self._keys.person_id(ids[0]))
            if person.person_id != holder.person.person_id:
                person = self._recycled_numbers.hide_silent_record(holder.person, person)
                return _with_hidden(person, holder.person.person_id, now)
        if holder.hidden_id:
            return _with_hidden(holder.person, holder.hidden_id, now)
        if holder.person.is_empty and (known := self._cached_person_of_ids(ids, people)):
            return known
        return self._joins.join_all(holder.person, holder.unjoined, now)

    def _likely_person(self, addresses: Sequence[str], people: LoadedPeople) -> StoredPerson:
        """The person to whom these addresses led last, loaded together with the record of the sender's own hash."""
        hashes = [people.own_hash(address) for address in sorted(addresses, key=is_user_id)]
        likely = self._cache.find(hashes) or hashes[0]
        if likely != (own := people.own_hash(addresses[0])):
            people.load_together([likely, own])
        return people.person(likely)

    def _is_certain(self, likely: StoredPerson, addresses: Sequence[str], people: LoadedPeople) -> bool:
        """Whether this is the person, and there is nothing to learn."""
        # A release that knows no aliases may have written a record there.
        own = people.loaded(people.own_hash(addresses[0]))
        if own and own.has_record and _was_joined(own):
            return False
        if _was_joined(likely):
            return False
        if likely.link:
            return likely.link.covers(addresses) and not likely.link.absorbing
        is_own = len(addresses) == 1 and likely.person_id == people.own_hash(addresses[0])
        return is_own and not likely.alias

    def _person_of_ids(self, ids: Sequence[str], people: LoadedPeople) -> StoredPerson | None:
        """The person to whom these user ids lead, None when none of them was met before.

        An id may lead to a person of whom nothing is stored yet: another message is at work, or its process died.
        """
        holders = (people.holder(address) for address in ids)
        return next((holder.person for holder in holders if holder.alias or not holder.person.is_empty), None)

    def _cached_person_of_ids(self, ids: Sequence[str], people: LoadedPeople) -> StoredPerson | None:
        """The same, if this process has met one of them: a person who is new costs no look-up more."""
        is_known = self._cache.find([people.own_hash(address) for address in ids])
        return self._person_of_ids(ids, people) if is_known else None

    def _new_person_id(self, addresses: Sequence[str], holders: Sequence[AddressHolder]) -> str:
        """The id of a person who is new: the hash of an address that nobody has held before."""
        vacant = next((holder for holder in holders if holder.is_vacant), None)
        if vacant:
            ids = [address for address in addresses if is_user_id(address)]
            if ids:
                return self._keys.person_id(ids[0])
            return self._keys.next_holder_id(addresses[0], vacant.person.person_id)
        return self._keys.person_id(addresses[0])

    def _with_number(self, person: StoredPerson, number: str, replaceable: bytes) -> StoredPerson:
        """The person after the number was assigned, unless it is the person's already."""
        known = Alias.from_value(replaceable)
        if (known and known.person_id == person.person_id) or (person.link and person.link.covers((number,))):
            return person
        answer = self._aliases.assign(number, person, replaceable)
        alias = Alias.from_value(answer) if answer not in {ASSIGNED, OWN_RECORD} else None
        if answer != ASSIGNED and (alias is None or alias.person_id != person.person_id):
            raise ConcurrentChangeError
        is_own = self._keys.person_id(number) == person.person_id
        return replace(person, alias=b"") if is_own else person

    def _with_ids(self, person: StoredPerson, ids: Sequence[str], people: LoadedPeople, now: datetime) -> StoredPerson:
        """The person after every id was assigned; a record that stands under one of them is joined."""
        for address in ids:
            if person.link and person.link.covers((address,)):
                continue
            answer = self._aliases.assign(address, person)
            if answer == ASSIGNED:
                continue
            holder = (people if answer == OWN_RECORD else people.reloaded()).holder(address)
            if holder.is_stale:
                if self._aliases.assign(address, person, holder.alias) != ASSIGNED:
                    raise ConcurrentChangeError
                holder.person = replace(holder.person, alias=b"")
                person = holder.person if holder.person.person_id == person.person_id else person
            person = self._joins.join_all(person, [holder.person, *holder.unjoined], now)
        return person

    def _with_unfinished_joins(self, person: StoredPerson, people: LoadedPeople, now: datetime) -> StoredPerson:
        """The person joined with the records that earlier joins have not ended."""
        if person.link is None or not person.link.absorbing:
            return person
        joined = {record.person_id for record in person.joined_records}
        # One that was loaded before anything stood there would pass for one that has ended.
        people = people.reloaded()
        left = [people.person(person_id) for person_id in person.link.absorbing if person_id not in joined]
        person = replace(person, link=replace(person.link, absorbing=tuple(joined)), link_is_new=True)
        return self._joins.join_all(person, [record for record in left if record.has_record], now)

    # --- after a commit ---------------------------------------------------------------------------------------------

    def finish_joins(self, stored: StoredPerson, now: datetime, commit: Commit) -> StoredPerson:
        """End the records that were joined with this one, now that it is stored: see ``Joins.finish``."""
        return self._joins.finish(stored, now, commit)

    def join_hidden_record(self, person: StoredPerson, phone: str, now: datetime, commit: Commit) -> None:
        """Join the record that is hidden under this phone number: an OTP has proved that the number is the person's.

        Raises BusyError when other processes kept changing the records.
        """
        number = f"{CHANNEL}{phone}"
        for _ in range(MAX_ATTEMPTS):
            if person.link is None or person.link.hidden != self._keys.person_id(number):
                return
            hidden = self._store.load(person.link.hidden)
            if stored := self._commit_hidden_record(person, hidden, number, now, commit):
                self.finish_joins(stored, now, commit)
                return
            # A message of the person came in between.
            person = self.resolve(person.person_id)
        raise BusyError("the person's addresses kept changing")

    def _commit_hidden_record(
        self, person: StoredPerson, hidden: StoredPerson, number: str, now: datetime, commit: Commit
    ) -> StoredPerson | None:
        """The person with the state of both records; None when one of them changed meanwhile."""
        try:
            joined = self._joins.join(person, hidden, now)
        except ConcurrentChangeError:
            return None
        if joined.session is None or joined.contact is None or joined.link is None:
            return None
        link = replace(joined.link, hidden="").with_addresses((number,))
        stored = commit(replace(joined, link=link, link_is_new=True), joined.session, joined.contact)
        return stored if isinstance(stored, StoredPerson) else None

    # --- opt-outs as the release before reads them ------------------------------------------------------------------

    def copy_opt_out(self, person: StoredPerson, opt_out: OptOut) -> None:
        """Write an opt-out under the phone number's own hash as well, where a release without aliases looks for it."""
        number = person.link.of_kind(AddressKind.NUMBER) if person.link else None
        for own in self._other_hashes(person, [number] if number else []):
            with unavailable_on_error():
                self._client.set(self._keys.opt_out(own), opt_out_to_store(opt_out))
        if person.link:
            self._aliases.renew(replace(person, contact=with_opt_out(person.contact, opt_out)), person.link)

    def delete_opt_out_copies(self, person: StoredPerson) -> None:
        """Delete the opt-out there as well, and where an erasure has left it."""
        for own in self._other_hashes(person, person.link.addresses if person.link else ()):
            with unavailable_on_error():
                self._client.delete(self._keys.opt_out(own))
        if person.link:
            self._aliases.renew(person, person.link)

    def _other_hashes(self, person: StoredPerson, addresses: Iterable[str]) -> list[str]:
        """The own hashes of these addresses, but for the person's id, and those that are an earlier holder's id."""
        hashes = [own for own in map(self._keys.person_id, addresses) if own != person.person_id]
        with unavailable_on_error():
            values: list[bytes | None] = [self._client.get(self._keys.alias(own)) for own in hashes]  # type: ignore[misc]
        aliases = [Alias.from_value(value or b"") for value in values]
        return [own for own, alias in zip(hashes, aliases, strict=True) if alias is None or alias.is_same_person]


def _was_joined(person: StoredPerson) -> bool:
    """Whether the record's own hash leads to another record of the same person."""
    alias = Alias.from_value(person.alias)
    return alias is not None and alias.is_same_person


def _with_addresses(person: StoredPerson, addresses: Sequence[str], now: datetime) -> StoredPerson:
    """The person with a link that lists these addresses; a phone number alone needs none."""
    link = person.link
    if link is None and not any(is_user_id(address) for address in addresses):
        return person
    link = link or Link((), now)
    if not link.covers(addresses) or link.is_due_for_renewal(now):
        link = replace(link.with_addresses(addresses), renewed_at=now)
    return person if link == person.link else replace(person, link=link, link_is_new=True)


def _with_hidden(person: StoredPerson, hidden_id: str, now: datetime) -> StoredPerson:
    return replace(person, link=replace(person.link or Link((), now), hidden=hidden_id), link_is_new=True)


def _may_be_anothers(person: StoredPerson, now: datetime) -> bool:
    """Whether this record is known by a phone number alone, and has been silent for long."""
    has_id = person.link is not None and person.link.user_id is not None
    return not has_id and person.contact is not None and is_silent(person.contact, now)
