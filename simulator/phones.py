"""The phones that people hold: each one's number and user id, whether it hides the number, and whose an address is."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass, replace

from simulator.addresses import is_number, new_number, new_user_id
from simulator.database import Database
from simulator.events import EventLog, Kind


@dataclass(frozen=True, slots=True)
class Phone:
    """One person's phone as WhatsApp knows it.

    ``person`` is the address under which it was first met, and names it for good. ``number`` is None when nobody knows
    it, or when it was passed on. The user id belongs to the person with this number: with another number it is another.
    """

    person: str
    number: str | None
    user_id: str
    hides_number: bool

    @property
    def address(self) -> str:
        """What its messages come from."""
        return self.user_id if self.hides_number or self.number is None else self.number


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose an address is, or whose it was when that person has given it up and nobody has taken it since."""

    person: str
    is_present: bool


class NoNumberError(Exception):
    """This phone has no number that could be hidden or passed on."""


class Phones:
    """Keeps who has which address, and tells the event log when that changes."""

    def __init__(self, database: Database, events: EventLog) -> None:
        self._database = database
        self._events = events

    def of(self, name: str) -> Phone:
        """The phone of the person with this name, or of the one who has this address; a new one for a new address."""
        with self._database.transaction() as connection:
            return _in_hand(connection, name)

    def holder(self, address: str) -> Holder:
        """To whom a message to this address goes."""
        row = self._database.row("SELECT * FROM addresses WHERE address = ?", address)
        # Somebody who has only been written to is named by that address.
        return Holder(row["person"], not row["given_up"]) if row else Holder(address, is_present=True)

    def hide_number(self, name: str, *, hides: bool) -> Phone:
        """Let the messages come from the user id alone, or from the number again. Raises NoNumberError."""
        with self._database.transaction() as connection:
            before = _in_hand(connection, name)
            if before.number is None:
                raise NoNumberError
            phone = _kept(connection, replace(before, hides_number=hides))
        self.tell(phone)
        return phone

    def take_new_number(self, name: str) -> Phone:
        """Another number, and with it another user id; nobody has the earlier ones any more."""
        with self._database.transaction() as connection:
            before = _in_hand(connection, name)
            for address in (before.number, before.user_id):
                connection.execute("UPDATE addresses SET given_up = 1 WHERE address = ?", (address,))
            phone = _kept(connection, replace(before, number=new_number(), user_id=new_user_id()))
        self.tell(phone)
        return phone

    def pass_number_on(self, name: str) -> Phone:
        """The phone of another person, who has the number now; the earlier one keeps the user id.

        Raises NoNumberError.
        """
        with self._database.transaction() as connection:
            before = _in_hand(connection, name)
            if before.number is None:
                raise NoNumberError
            without = _kept(connection, replace(before, number=None))
            user_id = new_user_id()
            phone = _kept(connection, Phone(user_id, before.number, user_id, hides_number=False))
        self.tell(without)
        self.tell(phone)
        return phone

    def tell(self, phone: Phone) -> None:
        """Let those who look on know the phone's addresses."""
        fields = asdict(phone)
        self._events.append(Kind.PHONE, fields.pop("person"), **fields)


def _in_hand(connection: sqlite3.Connection, name: str) -> Phone:
    row = connection.execute("SELECT * FROM phones WHERE person = ?", (name,)).fetchone()
    row = (
        row
        or connection.execute(
            "SELECT phones.* FROM phones JOIN addresses USING (person) WHERE address = ? AND NOT given_up", (name,)
        ).fetchone()
    )
    if row:
        return Phone(row["person"], row["number"], row["user_id"], bool(row["hides_number"]))
    return _kept(connection, _new_phone(name))


def _new_phone(address: str) -> Phone:
    if is_number(address):
        return Phone(address, address, new_user_id(), hides_number=False)
    return Phone(address, None, address, hides_number=True)


def _kept(connection: sqlite3.Connection, phone: Phone) -> Phone:
    """The phone after it was written down, with its addresses as this person's."""
    connection.execute(
        "INSERT OR REPLACE INTO phones (person, number, user_id, hides_number) VALUES (?, ?, ?, ?)",
        (phone.person, phone.number, phone.user_id, phone.hides_number),
    )
    for address in (phone.number, phone.user_id):
        if address:
            connection.execute(
                "INSERT OR REPLACE INTO addresses (address, person, given_up) VALUES (?, ?, 0)", (address, phone.person)
            )
    return phone
