"""The aliases: to which person an address leads that is not the one of its own hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from onboarding_bot.conversation.addresses import RENEWED_AFTER, Link
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.errors import milliseconds, unavailable_on_error
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.scripts import Scripts
from onboarding_bot.storage.session_store import StoredPerson
from onboarding_bot.whatsapp_address import is_user_id

GRANTED, OWN = b"", b"own"
FOR_GOOD = 0


class OutrunError(Exception):
    """Another process changed what this one looked at: look again."""


class AliasKind(StrEnum):
    """Why an address leads to another person than the one of its own hash.

    ADDRESS: it is a further address of that person. JOINED: the record of its own hash was joined to that person's.
    PASSED_ON and HIDDEN: the record of its own hash is somebody else's, or may be. RELEASED: the person named by it has
    lost it, and nobody has got it yet.
    """

    ADDRESS = "address"
    JOINED = "joined"
    PASSED_ON = "passed_on"
    HIDDEN = "hidden"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Alias:
    """Whose an address is."""

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
    """Grants addresses to people. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis, person_keys: Keys, contact_life: timedelta) -> None:
        self._keys = person_keys
        self._scripts = Scripts(client)
        # One that is renewed once a day never ends before the contact record does.
        self._life = contact_life + 2 * RENEWED_AFTER

    def life(self, person: StoredPerson) -> int:
        """How long the aliases of this person live, in milliseconds; FOR_GOOD after a STOP, which has no end either."""
        return FOR_GOOD if person.contact and person.contact.opt_out else milliseconds(self._life)

    def grant(self, address: str, person: StoredPerson, replaceable: bytes = b"") -> bytes:
        """Let the address lead to the person, if it leads nowhere or as ``replaceable`` says.

        Returns GRANTED; OWN when the person of the address's own hash has records; or the alias that stands in the way.
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
        return self._write(own, b"", replaceable, FOR_GOOD) if replaceable or person.alias else GRANTED

    def move(self, own: str, value: bytes, replaceable: bytes) -> None:
        """Replace the alias of an address's hash for good. Raises OutrunError when it is another one by now."""
        if self._write(own, value, replaceable, FOR_GOOD) != GRANTED:
            raise OutrunError

    def renew(self, person: StoredPerson, link: Link) -> None:
        """Let the aliases of all addresses live on, and lead straight to the person.

        An id still leads to a record that was joined to the person's, under whose own hash the number may be passed on.
        """
        for address in link.addresses:
            if self._keys.person_id(address) == person.person_id:
                continue
            granted = self.grant(address, person)
            if is_user_id(address) and granted not in {GRANTED, OWN}:
                self.grant(address, person, granted)

    def _write(self, own: str, value: bytes, replaceable: bytes, life: int) -> bytes:
        with unavailable_on_error():
            answer: bytes = self._scripts.run(
                "assign_address",
                {
                    "alias": self._keys.alias(own),
                    "session": self._keys.session(own),
                    "contact": self._keys.contact(own),
                    "opt_out": self._keys.opt_out(own),
                },
                {"alias": value, "replaceable": replaceable, "life": life},
            )
        return answer
