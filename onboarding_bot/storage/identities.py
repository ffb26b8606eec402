"""Who a person is: from the addresses of a message to the one record that all of them lead to.

A person's id is the keyed hash of the address that was met first. Every further address has an alias in its own shard,
and the person's link lists all of them. What the link lists is the person's, so a message of a person who is known
costs one look-up; aliases are looked at only where the link does not cover the message.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from onboarding_bot.conversation.addresses import Link, is_silent
from onboarding_bot.conversation.contact import OptOut
from onboarding_bot.errors import BusyError
from onboarding_bot.observability.logs import logger
from onboarding_bot.storage.aliases import GRANTED, OWN, Alias, Aliases, AliasKind, OutrunError
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.encryption import HEAD_BYTES
from onboarding_bot.storage.errors import unavailable_on_error
from onboarding_bot.storage.joins import Commit, Joins, with_opt_out
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_session_store import RedisSessionStore, opt_out_to_store
from onboarding_bot.storage.scripts import Scripts
from onboarding_bot.storage.session_store import Conflict, StoredPerson
from onboarding_bot.whatsapp_address import CHANNEL, AddressKind, is_user_id

# Others are quicker so often only when something is broken.
MOST_TRIES = 8
# For so many addresses a process remembers whose they are: some 4 MB.
REMEMBERED_HOLDERS = 20_000


@dataclass(slots=True)
class _Holder:
    """To whom one address leads.

    ``alias`` is the address's alias as it stands. When the address ``is_vacant`` nobody has it, and ``person`` has just
    lost it. ``hidden`` is the id of a silent record that stood under the address before. ``unjoined`` are records that
    a crash, or a release without aliases, has left to be joined to the person's. When the alias ``is_stale``, somebody
    else has what it led to by now, and the address is its own again.
    """

    person: StoredPerson
    alias: bytes = b""
    is_vacant: bool = False
    is_stale: bool = False
    hidden: str = ""
    unjoined: list[StoredPerson] = field(default_factory=list)


class Identities:
    """Finds people by their addresses, and learns which addresses are one person's.

    Every method raises StoreUnavailableError when Redis does not answer in time.
    """

    def __init__(
        self, client: AnyRedis, person_keys: Keys, sealer: Sealer, store: RedisSessionStore, contact_life: timedelta
    ) -> None:
        self._client = client
        self._keys = person_keys
        self._sealer = sealer
        self._store = store
        self._scripts = Scripts(client)
        self._aliases = Aliases(client, person_keys, contact_life)
        self._joins = Joins(client, person_keys, store, self._aliases)
        self._holders = _RememberedHolders()

    def load(self, addresses: Sequence[str], message_sid: str, now: datetime) -> StoredPerson:
        """The person that a message with these addresses (``From`` first) comes from; what they tell is learnt.

        The person may carry records to absorb: see ``finish``. Raises BusyError when others kept changing them.
        """
        for _ in range(MOST_TRIES):
            loads = _Loads(self._store, self._keys, message_sid)
            hashes = [loads.own_hash(address) for address in addresses]
            try:
                person = self._identify(addresses, loads, now)
            except _AnsweredBeforeError as found:
                return found.person
            except OutrunError:
                self._holders.forget(hashes)
                continue
            self._holders.remember(person.person_id, hashes)
            return person
        raise BusyError("the person's addresses kept changing")

    def peek(self, addresses: Sequence[str], message_sid: str = "") -> StoredPerson:
        """The same person as ``load`` finds, as far as that is known; nothing is learnt, and nothing written."""
        try:
            return self._peek(addresses, _Loads(self._store, self._keys, message_sid))
        except _AnsweredBeforeError as found:
            return found.person

    def _peek(self, addresses: Sequence[str], loads: _Loads) -> StoredPerson:
        found = self._first_found(addresses, loads)
        if self._is_settled(found, addresses, loads):
            return found
        holders = [self._holder(address, loads) for address in sorted(addresses, key=is_user_id, reverse=True)]
        known = [holder.person for holder in holders if not holder.is_vacant and not holder.person.is_fresh]
        return known[0] if known else loads.person(self._new_person_id(addresses, holders))

    def people_of(self, address: str) -> list[StoredPerson]:
        """The records behind one address: its present holder's, and what has yet to be joined to it."""
        loads = _Loads(self._store, self._keys)
        holder = self._holder(address, loads)
        if holder.is_vacant:
            return [loads.person(self._keys.vacant_id(address, holder.person.person_id))]
        return [holder.person, *holder.unjoined]

    def follow(self, person_id: str) -> StoredPerson:
        """The person that this id stands for by now, if its record was joined to another one."""
        loads = _Loads(self._store, self._keys)
        person = loads.person(person_id)
        return person if person.is_recorded else _followed(person, loads, [])

    def finish(self, stored: StoredPerson, now: datetime, commit: Commit) -> StoredPerson:
        """End the records that were joined with this one, now that it is stored: see ``Joins.finish``."""
        return self._joins.finish(stored, now, commit)

    def prove(self, person: StoredPerson, phone: str, now: datetime, commit: Commit) -> None:
        """An OTP was entered for this phone number: a record that was hidden under it is the person's after all."""
        number = f"{CHANNEL}{phone}"
        for _ in range(MOST_TRIES):
            if person.link is None or person.link.hidden != self._keys.person_id(number):
                return
            if stored := self._commit_proof(person, self._store.load(person.link.hidden), number, now, commit):
                self.finish(stored, now, commit)
                return
            # A message of the person came in between.
            person = self.follow(person.person_id)
        raise BusyError("the person's addresses kept changing")

    def _commit_proof(
        self, person: StoredPerson, hidden: StoredPerson, number: str, now: datetime, commit: Commit
    ) -> StoredPerson | None:
        """The person with the state of both records; None when one of them changed meanwhile."""
        try:
            joined = self._joins.join(person, hidden, now)
        except OutrunError:
            return None
        if joined.session is None or joined.contact is None or joined.link is None:
            return None
        link = replace(joined.link, hidden="").with_addresses((number,))
        stored = commit(replace(joined, link=link, link_is_new=True), joined.session, joined.contact)
        return stored if isinstance(stored, StoredPerson) else None

    # --- learning ---------------------------------------------------------------------------------------------------

    def _identify(self, addresses: Sequence[str], loads: _Loads, now: datetime) -> StoredPerson:
        found = self._first_found(addresses, loads)
        if self._is_settled(found, addresses, loads):
            return _with_addresses(found, addresses, now)
        number = next((address for address in addresses if not is_user_id(address)), None)
        ids = [address for address in addresses if is_user_id(address)]
        if number is None:
            person = self._person_of_ids(ids, loads) or loads.person(self._new_person_id(addresses, []))
            person = self._with_ids(person, ids, loads, now)
        else:
            holder = self._holder(number, loads)
            person = self._with_ids(self._identify_by_number(number, holder, ids, loads, now), ids, loads, now)
            person = self._with_number(person, number, holder.alias)
        person = self._with_what_is_left(person, loads, now)
        return _with_addresses(person, addresses, now)

    def _identify_by_number(
        self, number: str, holder: _Holder, ids: Sequence[str], loads: _Loads, now: datetime
    ) -> StoredPerson:
        """Who writes with these ids from this number; if it is another person than before, the earlier one loses it.

        ``holder.alias`` becomes what may be replaced when the number is granted.
        """
        if holder.is_vacant:
            return self._person_of_ids(ids, loads) or loads.person(self._new_person_id((number, *ids), [holder]))
        if holder.person.link and holder.person.link.is_somebody_else(ids):
            person = self._person_of_ids(ids, loads) or loads.person(self._keys.person_id(ids[0]))
            if person.person_id != holder.person.person_id:
                holder.alias = self._take_away(number, holder, person)
            return person
        if ids and _may_be_anothers(holder.person, now):
            person = self._person_of_ids(ids, loads) or loads.person(self._keys.person_id(ids[0]))
            if person.person_id != holder.person.person_id:
                return _with_hidden(self._hide(holder.person, person), holder.person.person_id, now)
        if holder.hidden:
            return _with_hidden(holder.person, holder.hidden, now)
        if holder.person.is_fresh and (known := self._known_person_of_ids(ids, loads)):
            return known
        return self._joins.join_all(holder.person, holder.unjoined, now)

    def _first_found(self, addresses: Sequence[str], loads: _Loads) -> StoredPerson:
        """Whom this most likely is, together with what stands under the sender's own hash."""
        hashes = [loads.own_hash(address) for address in sorted(addresses, key=is_user_id)]
        guess = self._holders.find(hashes) or hashes[0]
        if guess != (own := self._keys.person_id(addresses[0])):
            loads.together([guess, own])
        return loads.person(guess)

    def _is_settled(self, found: StoredPerson, addresses: Sequence[str], loads: _Loads) -> bool:
        """Whether this is the person, and nothing has to be learnt."""
        # A release that knows no aliases may have written a record there.
        own = loads.known(loads.own_hash(addresses[0]))
        if own and own.is_recorded and _leads_on(own):
            return False
        if _leads_on(found):
            return False
        if found.link:
            return found.link.covers(addresses) and not found.link.absorbing
        is_own = len(addresses) == 1 and found.person_id == self._keys.person_id(addresses[0])
        return is_own and not found.alias

    def _holder(self, address: str, loads: _Loads) -> _Holder:
        own = loads.person(self._keys.person_id(address))
        alias = Alias.from_value(own.alias)
        if alias is None:
            return _Holder(own)
        if alias.kind is AliasKind.RELEASED:
            return _Holder(loads.person(alias.person_id), own.alias, is_vacant=True)
        unjoined = [own] if own.is_recorded and alias.is_same_person else []
        person = _followed(loads.person(alias.person_id), loads, unjoined)
        if is_user_id(address) and person.link and person.link.is_somebody_else((address,)):
            # After an erasure the id still leads for a while to the hash of a number, which may be passed on meanwhile.
            return _Holder(own, own.alias, is_stale=True)
        is_hidden = alias.kind is AliasKind.HIDDEN and own.is_recorded
        return _Holder(person, own.alias, hidden=own.person_id if is_hidden else "", unjoined=unjoined)

    def _person_of_ids(self, ids: Sequence[str], loads: _Loads) -> StoredPerson | None:
        """Whom the user ids lead to, None when nobody has been met under any of them.

        An id may lead to a person of whom nothing is stored yet: another message is at work, or its process died.
        """
        holders = (self._holder(address, loads) for address in ids)
        return next((holder.person for holder in holders if holder.alias or not holder.person.is_fresh), None)

    def _known_person_of_ids(self, ids: Sequence[str], loads: _Loads) -> StoredPerson | None:
        """The same, from what this process remembers: a person who is met for the first time costs no look-up more."""
        known = self._holders.find([self._keys.person_id(address) for address in ids])
        return self._person_of_ids(ids, loads) if known else None

    def _new_person_id(self, addresses: Sequence[str], holders: Sequence[_Holder]) -> str:
        """The id of a person who is met for the first time: the hash of an address that nobody ever had."""
        vacant = next((holder for holder in holders if holder.is_vacant), None)
        if vacant:
            ids = [address for address in addresses if is_user_id(address)]
            return self._keys.person_id(ids[0]) if ids else self._keys.vacant_id(addresses[0], vacant.person.person_id)
        return self._keys.person_id(addresses[0])

    def _with_number(self, person: StoredPerson, number: str, replaceable: bytes) -> StoredPerson:
        """The person after the number was granted, unless it is the person's already."""
        known = Alias.from_value(replaceable)
        if (known and known.person_id == person.person_id) or (person.link and person.link.covers((number,))):
            return person
        granted = self._aliases.grant(number, person, replaceable)
        alias = Alias.from_value(granted) if granted not in {GRANTED, OWN} else None
        if granted != GRANTED and (alias is None or alias.person_id != person.person_id):
            raise OutrunError
        is_own = self._keys.person_id(number) == person.person_id
        return replace(person, alias=b"") if is_own else person

    def _with_ids(self, person: StoredPerson, ids: Sequence[str], loads: _Loads, now: datetime) -> StoredPerson:
        """The person after every id was granted; a record that stands under one of them is joined."""
        for address in ids:
            if person.link and person.link.covers((address,)):
                continue
            granted = self._aliases.grant(address, person)
            if granted == GRANTED:
                continue
            holder = self._holder(address, loads if granted == OWN else loads.anew())
            if holder.is_stale:
                if self._aliases.grant(address, person, holder.alias) != GRANTED:
                    raise OutrunError
                holder.person = replace(holder.person, alias=b"")
                person = holder.person if holder.person.person_id == person.person_id else person
            person = self._joins.join_all(person, [holder.person, *holder.unjoined], now)
        return person

    def _with_what_is_left(self, person: StoredPerson, loads: _Loads, now: datetime) -> StoredPerson:
        """The person after the records were joined that an earlier join has left over."""
        if person.link is None or not person.link.absorbing:
            return person
        names = {known.person_id for known in person.absorbs}
        left = [loads.person(person_id) for person_id in person.link.absorbing if person_id not in names]
        person = replace(person, link=replace(person.link, absorbing=tuple(names)), link_is_new=True)
        return self._joins.join_all(person, [record for record in left if record.is_recorded], now)

    # --- numbers that are passed on ---------------------------------------------------------------------------------

    def _take_away(self, number: str, holder: _Holder, person: StoredPerson) -> bytes:
        """Take the number from its earlier holder, who is written to by user id from then on; its alias afterwards."""
        own, earlier = self._keys.person_id(number), holder.person
        if earlier.person_id == own:
            passed_on = Alias(person.person_id, AliasKind.PASSED_ON).to_value()
            self._release(number, earlier, passed_on)
            return passed_on
        # First of all nothing goes to the number any more in the name of whoever has lost it.
        self._release(number, earlier, b"")
        released = Alias(earlier.person_id, AliasKind.RELEASED).to_value()
        self._aliases.move(own, released, holder.alias)
        return released

    def _release(self, number: str, earlier: StoredPerson, alias: bytes) -> None:
        link, contact, own = earlier.link, earlier.contact, earlier.person_id
        if link is None or link.user_id is None:
            raise OutrunError
        moved = replace(contact, address=link.user_id) if contact and contact.address == number else contact
        sealed_contact = b""
        if moved and earlier.contact_version:
            sealed_contact = self._sealer.seal(moved.to_record(), "contact", own)
        with unavailable_on_error():
            done = self._scripts.run(
                "release_number",
                {
                    "contact": self._keys.contact(own),
                    "link": self._keys.link(own),
                    "alias": self._keys.alias(own),
                },
                {
                    "version_bytes": HEAD_BYTES,
                    "contact_version": earlier.contact_version,
                    "contact": sealed_contact,
                    "link": self._sealer.seal(link.without(number).to_record(), "link", own),
                    "alias": alias,
                },
            )
        if not done:
            raise OutrunError
        logger().info("number_passed_on", person_id=own)

    def _hide(self, silent: StoredPerson, person: StoredPerson) -> StoredPerson:
        """The person who writes from a number whose record has been silent: only its STOP is taken over, and first."""
        own = silent.person_id
        if silent.contact and silent.contact.opt_out:
            amended = self._store.amend(person, with_opt_out(person.contact, silent.contact.opt_out))
            if isinstance(amended, Conflict):
                raise OutrunError
            person = amended
        with unavailable_on_error():
            done = self._scripts.run(
                "hide_silent_record",
                {
                    "session": self._keys.session(own),
                    "contact": self._keys.contact(own),
                    "permit": self._keys.permit(own),
                    "alias": self._keys.alias(own),
                },
                {
                    "version_bytes": HEAD_BYTES,
                    "session_version": silent.session_version,
                    "contact_version": silent.contact_version,
                    "alias": Alias(person.person_id, AliasKind.HIDDEN).to_value(),
                },
            )
        if not done:
            raise OutrunError
        logger().info("silent_record_hidden", person_id=person.person_id)
        return person

    # --- opt-outs as the release before reads them ------------------------------------------------------------------

    def keep_stop(self, person: StoredPerson, opt_out: OptOut) -> None:
        """Let a STOP stand under the phone number's own hash as well, where a release without aliases looks for it."""
        number = person.link.of_kind(AddressKind.NUMBER) if person.link else None
        for own in self._other_hashes(person, [number] if number else []):
            with unavailable_on_error():
                self._client.set(self._keys.opt_out(own), opt_out_to_store(opt_out))
        if person.link:
            self._aliases.renew(replace(person, contact=with_opt_out(person.contact, opt_out)), person.link)

    def lift_stop(self, person: StoredPerson) -> None:
        """Take it back there as well, and wherever an erasure has left it."""
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


class _AnsweredBeforeError(Exception):
    """The message is from before this person was erased: nothing is learnt from it any more."""

    def __init__(self, person: StoredPerson) -> None:
        super().__init__("the person was erased since")
        self.person = person


class _Loads:
    """What was loaded for one message, each person once."""

    def __init__(self, store: RedisSessionStore, keys: Keys, message_sid: str = "") -> None:
        self._store = store
        self._keys = keys
        self._message_sid = message_sid
        self._found: dict[str, StoredPerson] = {}
        self._hashes: dict[str, str] = {}

    def own_hash(self, address: str) -> str:
        """The address's own hash, made once for each message."""
        if address not in self._hashes:
            self._hashes[address] = self._keys.person_id(address)
        return self._hashes[address]

    def person(self, person_id: str) -> StoredPerson:
        """What is stored of this person."""
        if person_id not in self._found:
            self._found[person_id] = self._store.load(person_id, self._message_sid)
        if self._found[person_id].goodbye:
            raise _AnsweredBeforeError(self._found[person_id])
        return self._found[person_id]

    def together(self, people: Sequence[str]) -> None:
        """Load these people with one look-up, as far as that is possible."""
        self._found.update(self._store.load_together(people, self._message_sid))

    def known(self, person_id: str) -> StoredPerson | None:
        """This person, if loaded already."""
        return self._found.get(person_id)

    def anew(self) -> _Loads:
        """The same message, with nothing loaded yet: something changed in between."""
        return _Loads(self._store, self._keys, self._message_sid)


class _RememberedHolders:
    """Which person an address led to last, for the addresses that this process met lately. It may be out of date."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, str] = OrderedDict()

    def find(self, hashes: Sequence[str]) -> str | None:
        """The person id that the last known of these address hashes led to."""
        with self._lock:
            return next((self._known[own] for own in reversed(hashes) if own in self._known), None)

    def remember(self, person_id: str, hashes: Iterable[str]) -> None:
        """These address hashes lead to this person; the hash that is the person's id needs no memory."""
        with self._lock:
            for own in hashes:
                self._known.pop(own, None)
                if own != person_id:
                    self._known[own] = person_id
            while len(self._known) > REMEMBERED_HOLDERS:
                self._known.popitem(last=False)

    def forget(self, hashes: Iterable[str]) -> None:
        """Ask Redis again."""
        with self._lock:
            for own in hashes:
                self._known.pop(own, None)


def _leads_on(person: StoredPerson) -> bool:
    """Whether the record's own hash leads to another record of the same person."""
    alias = Alias.from_value(person.alias)
    return alias is not None and alias.is_same_person


def _followed(person: StoredPerson, loads: _Loads, unjoined: list[StoredPerson]) -> StoredPerson:
    """Who this record was joined to, however often; records still there on the way are added to ``unjoined``."""
    met = {person.person_id}
    while (alias := Alias.from_value(person.alias)) and alias.is_same_person and alias.person_id not in met:
        if person.is_recorded:
            unjoined.append(person)
        person = loads.person(alias.person_id)
        met.add(person.person_id)
    return person


def _with_addresses(person: StoredPerson, addresses: Sequence[str], now: datetime) -> StoredPerson:
    """The person with a link that lists these addresses; a phone number alone needs none."""
    link = person.link
    if link is None and not any(is_user_id(address) for address in addresses):
        return person
    link = link or Link((), now)
    if not link.covers(addresses) or link.is_due_for_renewal(now):
        link = replace(link.with_addresses(addresses), renewed_at=now)
    return person if link == person.link else replace(person, link=link, link_is_new=True)


def _with_hidden(person: StoredPerson, hidden: str, now: datetime) -> StoredPerson:
    return replace(person, link=replace(person.link or Link((), now), hidden=hidden), link_is_new=True)


def _may_be_anothers(person: StoredPerson, now: datetime) -> bool:
    """Whether this record is known by a phone number alone, and has been silent for long."""
    has_id = person.link is not None and person.link.user_id is not None
    return not has_id and person.contact is not None and is_silent(person.contact, now)
