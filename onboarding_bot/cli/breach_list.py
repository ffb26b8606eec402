"""``deploy.sh breach-list``: everybody whose data are kept, as CSV, for telling them of a breach.

Broadcasts leave out who said STOP or gave no consent; this list does not, because a breach concerns them as well.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TextIO

from onboarding_bot.app import build_parts
from onboarding_bot.config import load_settings, read_environment
from onboarding_bot.conversation.contact import Contact
from onboarding_bot.errors import BotError, SettingsError
from onboarding_bot.observability.logs import audit_line, configure_logs
from onboarding_bot.storage.contacts import KnownPerson

COLUMNS = ("address", "phone", "language", "first_message_at", "last_message_at", "opted_out")
ACTION = "list everybody for a breach"


def main(arguments: list[str], lines: TextIO | None = None, log: TextIO | None = None) -> int:
    """Write the list to standard output, after its audit line went to standard error.

    0: everybody is in it; 1: it is missing or not whole, as the last line of standard error says; 2: called wrongly.
    """
    asked = _parser().parse_args(arguments)
    lines, log = lines or sys.stdout, log or sys.stderr
    configure_logs("CRITICAL")
    try:
        settings = load_settings(read_environment())
        contacts = build_parts(settings).contacts
        # Nobody is shown before it is written down who asked.
        log.write(audit_line(action=ACTION, key=asked.by, since=asked.since and asked.since.isoformat()) + "\n")
        log.flush()
        listed, unreadable = _write(lines, contacts.everybody(asked.since), settings.default_language)
    except SettingsError as error:
        print("\n".join(f"setting {fault}" for fault in error.faults), file=log)
        return 1
    except (BotError, OSError) as error:
        print(f"the list is not whole: {error}; run it again", file=log)
        return 1
    print(f"{listed} people", file=log)
    if unreadable:
        print(f"the list is not whole: {unreadable} records cannot be read with SESSION_ENCRYPTION_KEYS", file=log)
    return 1 if unreadable else 0


def _write(lines: TextIO, batches: Iterable[list[KnownPerson]], default_language: str) -> tuple[int, int]:
    """How many people are in the list, and of how many the record cannot be read."""
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
    return listed, unreadable


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deploy.sh breach-list", description="List everybody whose data are kept, also those who said STOP."
    )
    parser.add_argument("--by", required=True, type=_name, metavar="NAME", help="who asks, for the audit line")
    parser.add_argument(
        "--since", type=_moment, metavar="MOMENT", help="only who wrote then or later: 2026-11-01T00:00:00+05:30"
    )
    return parser


def _name(raw: str) -> str:
    if not raw.strip() or not raw.isprintable() or len(raw) > 80:
        raise argparse.ArgumentTypeError("must be a name of 80 characters at most")
    return raw.strip()


def _moment(raw: str) -> datetime:
    wrong = argparse.ArgumentTypeError("must be a moment with an offset, like 2026-11-01T00:00:00+05:30")
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        raise wrong from None
    if moment.tzinfo is None:
        raise wrong
    return moment


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
