"""Everybody whose data are kept, as CSV, for telling them of a breach.

Broadcasts leave out who said STOP or gave no consent; this list does not, because a breach concerns them as well.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.storage.contacts import KnownPerson

COLUMNS = ("address", "phone", "language", "first_message_at", "last_message_at", "opted_out")


@dataclass(frozen=True, slots=True)
class Listed:
    """How many people are in the list, and of how many the record cannot be read with the keys at hand."""

    people: int
    unreadable: int


def write_breach_list(batches: Iterable[list[KnownPerson]], lines: TextIO, default_language: str) -> Listed:
    """Write the people to ``lines``, batch by batch. Raises what ``batches`` raises, and OSError."""
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    listed = unreadable = 0
    for batch in batches:
        for person in batch:
            if person.contact is None:
                unreadable += 1
                continue
            listed += 1
            writer.writerow(_row(person.contact, default_language, has_opted_out=person.has_opted_out))
        lines.flush()
    return Listed(listed, unreadable)


def _row(contact: Contact, default_language: str, *, has_opted_out: bool) -> list[str]:
    unfinished = contact.draft.data if contact.draft else {}
    return [
        contact.address,
        contact.registration.get("phone") or unfinished.get("phone", ""),
        contact.language or default_language,
        _time(contact.first_inbound_at),
        _time(contact.last_inbound_at),
        "yes" if has_opted_out else "no",
    ]


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
