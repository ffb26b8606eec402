"""Writes down how this release stores people: ``.venv/bin/python -m tests.formats.writing WHAT-IS-NEW``.

A file that is here already belongs to a release that somebody runs: it is never written again, and never deleted.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import fakeredis
from flask import Flask
from redis import Redis

from onboarding_bot import __version__
from onboarding_bot.app import create_app
from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.observability.logs import configure_logs
from onboarding_bot.storage.session_store import StoredPerson
from tests.conversation.test_records import CONTACT, DRAFT, NOW, OPT_OUT, SESSION
from tests.fakes import FakeOtpService, MovableClock
from tests.settings import settings
from tests.stored_bytes import stored_value
from tests.talker import Talker

FOLDER = Path(__file__).parent
FOUR_FIRST_FIELDS = {"current_step", "data", "created_at", "updated_at"}
FIRST_FIELDS_OF_A_CONTACT = {"address", "language", "first_inbound_at", "last_inbound_at"}


@dataclass(frozen=True)
class Example:
    """Somebody whom a release left in the middle, and how the conversation goes on: what is said, where it leads."""

    name: str
    said_before: tuple[str, ...]
    says: str
    step: str
    hears: str


EXAMPLES = (
    Example("at the name", ("Hi",), "Asha Devi", "sector", "Asha Devi"),
    Example("at the sector", ("Hi", "Asha Devi"), "7", "pincode", "pincode"),
    Example("at the pincode", ("Hi", "Asha Devi", "7"), "560001", "phone", "560001"),
    Example("at the phone", ("Hi", "Asha Devi", "7", "560001"), "98765 43210", "confirmation", "Asha Devi"),
    Example("at the summary", ("Hi", "Asha Devi", "7", "560001", "1"), "YES", "completed", "token="),
    Example("choosing what to change", ("Hi", "Asha Devi", "7", "560001", "1", "NO"), "1", "name", "name"),
    Example("registered", ("Hi", "Asha Devi", "7", "560001", "1", "YES"), "STATUS", "completed", "LOGIN"),
    Example("opted out", ("Hi", "Asha Devi", "STOP"), "7", "pincode", "pincode"),
    Example("in Hindi, with a yes to news", ("नमस्ते", "UPDATES", "आशा देवी"), "7", "pincode", "पिन"),
)


@contextmanager
def bot_with(redis: Redis, clock: MovableClock) -> Iterator[Flask]:
    """This release's bot on that Redis."""
    yield create_app(settings(), redis=redis, otp_service=FakeOtpService(), clock=clock.clock())


def stored_by(redis: Redis, person_id: str) -> dict[str, str]:
    """Every value that is kept of one person, as it lies in Redis, in base64."""
    names = sorted(name for name in redis.scan_iter(f"*:{person_id}") if redis.type(name) == b"string")
    return {name.decode(): base64.b64encode(stored_value(redis, name)).decode() for name in names}


def records_of(session: UserSession | None, contact: Contact | None) -> dict[str, Any]:
    """The same as it reads once it is opened."""
    return {
        "session": session.to_record() if session else None,
        "contact": contact.to_record() if contact else None,
        "draft": contact.draft.to_record() if contact and contact.draft else None,
        "opt_out": contact.opt_out.to_record() if contact and contact.opt_out else None,
    }


def todays_people() -> list[dict[str, Any]]:
    """Everybody whom this release can leave in the middle, as it stores them."""
    return [_after_a_conversation(number, example) for number, example in enumerate(EXAMPLES)] + [
        _with_every_field(),
        _after_a_night(),
        _with_the_first_fields_alone(),
    ]


def shape_of(people: list[dict[str, Any]]) -> set[str]:
    """Each field of the stored records with its type, like ``session.intention.attempt: int``."""
    return {line for person in people for kind, record in person["records"].items() for line in _lines(kind, record)}


def fields_without_a_value() -> set[str]:
    """Fields that the examples with every field leave at their default: those of a record that was extended."""
    given: dict[str, bool] = {}
    _look_through((SESSION, CONTACT, DRAFT, OPT_OUT), given)
    beside = {"Contact.draft", "Contact.opt_out"}
    return {name for name, has_value in given.items() if not has_value} - beside


def _after_a_conversation(number: int, example: Example) -> dict[str, Any]:
    redis, clock = fakeredis.FakeRedis(), MovableClock()
    with bot_with(redis, clock) as app:
        talker = Talker(app, f"whatsapp:+9198000000{number:02}")
        for turn, text in enumerate(example.said_before):
            clock.pass_(seconds=20)
            # MessageSids that no other test makes.
            talker.says(text, sid=f"SMf{number:015x}{turn:016x}")
        clock.pass_(seconds=90)
        return _person(example, redis, talker, clock)


def _with_every_field() -> dict[str, Any]:
    example = Example("with every field", (), "STATUS", "confirmation", "आशा देवी")
    contact = replace(CONTACT, address="whatsapp:+919800000090", draft=DRAFT, opt_out=OPT_OUT)
    return _committed(example, SESSION, contact)


def _after_a_night() -> dict[str, Any]:
    """The session is over; the answers are kept."""
    example = Example("asked whether to go on", (), "CONTINUE", "phone", "number")
    data = {name: answer for name, answer in DRAFT.data.items() if name != "phone"}
    contact = Contact("whatsapp:+919800000091", "en", NOW, NOW, draft=replace(DRAFT, data=data))
    return _committed(example, UserSession.start(OnboardingStep.WELCOME, NOW), contact)


def _with_the_first_fields_alone() -> dict[str, Any]:
    """As little as a record can be: what any later field has to do without."""
    redis, clock = fakeredis.FakeRedis(), MovableClock(NOW + timedelta(minutes=2))
    example = Example("with the first fields alone", (), "560001", "phone", "560001")
    with bot_with(redis, clock) as app:
        talker = Talker(app, "whatsapp:+919800000092")
        store = talker.store
        person_id = store.identify(talker.sender)
        session = replace(
            UserSession.start(OnboardingStep.PINCODE, NOW), data={"name": "Asha Devi", "sector": "Retail"}
        )
        contact = Contact(talker.sender, None, NOW, NOW)
        records = records_of(session, contact)
        for kind, first in (("session", FOUR_FIRST_FIELDS), ("contact", FIRST_FIELDS_OF_A_CONTACT)):
            records[kind] = {name: value for name, value in records[kind].items() if name in first}
            sealed = store._sealer.seal(records[kind], kind, person_id)
            redis.set(getattr(store._keys, kind)(person_id), sealed)
        return _person(example, redis, talker, clock) | {"records": records}


def _committed(example: Example, session: UserSession, contact: Contact) -> dict[str, Any]:
    redis, clock = fakeredis.FakeRedis(), MovableClock(NOW + timedelta(minutes=2))
    with bot_with(redis, clock) as app:
        talker = Talker(app, contact.address)
        known = talker.store.load(talker.store.identify(contact.address))
        stored = talker.store.commit(known, session, contact, {}, NOW)
        assert isinstance(stored, StoredPerson)
        return _person(example, redis, talker, clock)


def _person(example: Example, redis: Redis, talker: Talker, clock: MovableClock) -> dict[str, Any]:
    stored = talker.stored
    return {
        "name": example.name,
        "address": talker.sender,
        "now": clock.moment.isoformat(),
        "says": example.says,
        "step": example.step,
        "hears": example.hears,
        "last_sid": talker.sid,
        "records": records_of(stored.session, stored.contact),
        "redis": stored_by(redis, stored.person_id),
    }


def _lines(path: str, record: Any) -> Iterator[str]:
    match record:
        case dict() if path.endswith((".data", ".registration", ".consents")):
            yield f"{path}: dict"
            # Their names are answers and purposes, not fields.
            for value in record.values():
                yield from _lines(f"{path}.*", value)
        case dict():
            for name, value in record.items():
                yield from _lines(f"{path}.{name}", value)
        case list() if not path.endswith(".reply"):
            yield f"{path}: list"
            for value in record:
                yield from _lines(f"{path}[]", value)
        case None:
            return
        case _:
            yield f"{path}: {type(record).__name__}"


def _look_through(value: Any, given: dict[str, bool]) -> None:
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            name, inside = f"{type(value).__name__}.{field.name}", getattr(value, field.name)
            given[name] = given.get(name, False) or inside not in (None, False, 0, "", (), {}, [])
            _look_through(inside, given)
    elif isinstance(value, dict):
        _look_through(tuple(value.values()), given)
    elif isinstance(value, tuple | list):
        for item in value:
            _look_through(item, given)


def main(what_is_new: str) -> None:
    """Write the file of this release's format."""
    configure_logs("CRITICAL")
    path = FOLDER / f"{__version__}-{what_is_new}.json"
    people = todays_people()
    text = json.dumps({"written_by": __version__, "people": people}, ensure_ascii=False, indent=1) + "\n"
    with path.open("x") as file:
        file.write(text)
    print(f"{path.relative_to(FOLDER.parent.parent)}: {len(people)} people")


if __name__ == "__main__":
    main(sys.argv[1])
