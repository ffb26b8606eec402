"""The aliases: addresses that lead to another person than the one whose id is the address's own hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from onboarding_bot.conversation.addresses import RENEWED_AFTER, Link
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.milliseconds import milliseconds
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.scripts import Scripts
from onboarding_bot.storage.session_store import StoredPerson
from onboarding_bot.whatsapp_address import is_user_id

ASSIGNED, OWN_RECORD = b"", b"own"
FOR_GOOD = 0


class ConcurrentChangeError(Exception):
    """Another process changed a record or an alias since this one read it: read again."""


class AliasKind(StrEnum):
    """Why an address leads to another person than the one of its own hash.

    ADDRESS: it is a further address of that person. JOINED: the record of its own hash was joined to that person's.
    PASSED_ON and HIDDEN: the record of its own hash is another person's, or may be. RELEASED: the person that it names
    has lost the address, and nobody holds it yet.
    """

    ADDRESS = "address"
    JOINED = "joined"
    PASSED_ON = "passed_on"
    HIDDEN = "hidden"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Alias:
    """To which person an address leads, and why."""

    person_id: str
    kind: AliasKind

    @property
    def is_same_person(self) -> bool:
        """Whether a record under the address's own hash is part of that person's, and is to be joined to it."""
        return self.kind in {AliasKind.ADDRESS, AliasKind.JOINED}

    @property
    def is_passed_on(self) -> bool:
        """Whether a record under the address's own hash may be another person's, who had the address before."""
        return not self.is_same_person

    def to_value(self) -> bytes:
        """The alias as it stands in Redis."""
        return f"{self.person_id} {self.kind}".encode()

    @classmethod
    def from_value(cls, value: bytes) -> Alias | None:
        """The alias in a value; None without one."""
        if not value:
            return None
        person_id, kind = value.decode().split(" ")
        return cls(person_id, AliasKind(kind))


class Aliases:
    """Assigns addresses to people. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis, person_keys: Keys, contact_life: timedelta) -> None:
        self._keys = person_keys
        self._scripts = Scripts(client)
        # One that is renewed once a day never ends before the contact record does.
        self._life = contact_life + 2 * RENEWED_AFTER

    def life(self, person: StoredPerson) -> int:
        """How long the aliases of this person live, in milliseconds; FOR_GOOD after a STOP, which has no end either."""
        return FOR_GOOD if person.contact and person.contact.opt_out else milliseconds(self._life)

    def assign(self, address: str, person: StoredPerson, replaceable: bytes = b"") -> bytes:
        """Let the address lead to the person, if it has no alias, or the one that is ``replaceable``.

        Returns ASSIGNED; OWN_RECORD when something is stored of the person whose id is the address's own hash; or the
        alias that stands in the way.
        """
        own = self._keys.person_id(address)
        if own != person.person_id:
            before = Alias.from_value(replaceable)
            if before and before.is_passed_on:
                # The record of its own hash is still another person's, however often the address is passed on.
                return self._write(own, Alias(person.person_id, AliasKind.PASSED_ON).to_value(), replaceable, FOR_GOOD)
            return self._write(
                own, Alias(person.person_id, AliasKind.ADDRESS).to_value(), replaceable, self.life(person)
            )
        return self._write(own, b"", replaceable, FOR_GOOD) if replaceable or person.alias else ASSIGNED

    def replace(self, own: str, value: bytes, replaceable: bytes) -> None:
        """Replace the alias of an address's own hash for good. Raises ConcurrentChangeError when it has changed."""
        if self._write(own, value, replaceable, FOR_GOOD) != ASSIGNED:
            raise ConcurrentChangeError

    def renew(self, person: StoredPerson, link: Link) -> None:
        """Renew the lives of the aliases of all addresses, and let them lead straight to the person.

        An id still leads to a record that was joined to the person's, under whose own hash the number may be passed on.
        """
        for address in link.addresses:
            if self._keys.person_id(address) == person.person_id:
                continue
            answer = self.assign(address, person)
            if is_user_id(address) and answer not in {ASSIGNED, OWN_RECORD}:
                self.assign(address, person, answer)

    def _write(self, own: str, value: bytes, replaceable: bytes, life: int) -> bytes:
        return write_alias(self._scripts, self._keys, own, value, replaceable, life)


def write_alias(scripts: Scripts, person_keys: Keys, own: str, value: bytes, replaceable: bytes, life: int) -> bytes:
    """Write the alias of an address's own hash, if it has none, or the one that is ``replaceable``.

    With an empty ``value`` the address leads to the person of its own hash again. ``life`` is in milliseconds, or
    FOR_GOOD. Returns what ``Aliases.assign`` does. Raises StoreUnavailableError.
    """
    with unavailable_on_error():
        answer: bytes = scripts.run(
            "assign_address",
            {
                "alias": person_keys.alias(own),
                "session": person_keys.session(own),
                "contact": person_keys.contact(own),
                "opt_out": person_keys.opt_out(own),
            },
            {"alias": value, "replaceable": replaceable, "life": life},
        )
    return answer
