"""The addresses that one person writes from: a phone number, and the user ids that WhatsApp gives.

A phone number is passed on to other people; a user id (BSUID) belongs to one person and one phone number for good
(Twilio: "Business-scoped user IDs"; the shape is Meta's).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.whatsapp_address import AddressKind, is_user_id, kind_of

# Phone numbers are passed on: the number of a record that has been silent for so long may be another person's.
SILENT_FOR = timedelta(days=60)
# How often the aliases of a person who writes are renewed.
RENEWED_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Link:
    """The addresses of one person.

    ``hidden`` is the person id of a silent record that stood under the phone number before: an OTP can prove that it
    belongs to the same person. ``absorbing`` are the person ids of records that were joined to this one and may still
    be stored. ``renewed_at`` is when the aliases of the addresses were last renewed.
    """

    addresses: tuple[str, ...]
    renewed_at: datetime
    hidden: str = ""
    absorbing: tuple[str, ...] = ()

    def of_kind(self, kind: AddressKind | None) -> str | None:
        """The person's address of this kind."""
        return next((address for address in self.addresses if kind_of(address) is kind), None)

    @property
    def user_id(self) -> str | None:
        """The user id, an address that no other person can ever get."""
        return self.of_kind(AddressKind.USER_ID) or self.of_kind(AddressKind.PARENT_ID)

    def covers(self, addresses: Iterable[str]) -> bool:
        """Whether all these addresses are the person's."""
        return set(addresses) <= set(self.addresses)

    def is_another_person(self, addresses: Iterable[str]) -> bool:
        """Whether a message with these addresses comes from another person, who has this one's number by now."""
        ids = {kind_of(address): address for address in addresses if is_user_id(address)}
        known = {kind: self.of_kind(kind) for kind in ids}
        if any(known[kind] == ids[kind] for kind in ids):
            return False
        return any(known[kind] is not None for kind in ids)

    def with_addresses(self, addresses: Iterable[str]) -> Self:
        """This link with more addresses; of each kind the latest stays."""
        latest = {kind_of(address): address for address in (*self.addresses, *addresses)}
        return replace(self, addresses=tuple(latest.values()))

    def without(self, address: str) -> Self:
        """This link without an address that another person has by now."""
        return replace(self, addresses=tuple(other for other in self.addresses if other != address))

    def is_due_for_renewal(self, now: datetime) -> bool:
        """Whether this message has to renew the aliases."""
        return now - self.renewed_at >= RENEWED_AFTER

    def to_record(self) -> dict[str, Any]:
        """The link as a JSON object."""
        record: dict[str, Any] = {"addresses": list(self.addresses), "renewed_at": self.renewed_at.isoformat()}
        if self.hidden:
            record["hidden"] = self.hidden
        if self.absorbing:
            record["absorbing"] = list(self.absorbing)
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The link that ``to_record`` wrote. Raises KeyError, TypeError or ValueError when it is none."""
        return cls(
            tuple(record["addresses"]),
            datetime.fromisoformat(record["renewed_at"]),
            record.get("hidden", ""),
            tuple(record.get("absorbing", ())),
        )


def is_silent(contact: Contact, now: datetime) -> bool:
    """Whether the number of this record may have been passed on since the person last wrote."""
    return bool(contact.address) and now - contact.last_inbound_at >= SILENT_FOR
