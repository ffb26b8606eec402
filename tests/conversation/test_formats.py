"""People whom any release left in the middle: they are known, and the conversation goes on from where it was."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

import fakeredis
import pytest

from tests.fakes import MovableClock
from tests.formats import writing
from tests.talker import Talker

FILES = sorted(writing.FOLDER.glob("*.json"))
STORED_PEOPLE: dict[str, dict[str, Any]] = {
    f"{path.stem}: {person['name']}": person for path in FILES for person in json.loads(path.read_text())["people"]
}
LEFT_BY_A_RELEASE = [pytest.param(person, id=name) for name, person in STORED_PEOPLE.items()]
WITH_A_MESSAGE_ID = [pytest.param(person, id=name) for name, person in STORED_PEOPLE.items() if person["last_sid"]]
ADVICE = """
This release stores something that no file in tests/formats has yet. People will be stored like that when the release
after it starts, so keep an example:
    1. give the new field a value in SESSION (or CONTACT, DRAFT) of tests/conversation/test_records.py;
    2. .venv/bin/python -m tests.formats.writing the-new-fields-name
    3. commit the file that this writes. Leave the older files alone: somebody has people stored like that.
What is new: """


def left(person: dict[str, Any]) -> Talker:
    """That person, on a Redis that holds exactly what the release left there."""
    redis, clock = fakeredis.FakeRedis(), MovableClock(datetime.fromisoformat(person["now"]))
    for name, value in person["redis"].items():
        redis.set(name, base64.b64decode(value))
    with writing.bot_with(redis, clock) as app:
        return Talker(app, person["address"])


@pytest.mark.parametrize("person", LEFT_BY_A_RELEASE)
def test_the_conversation_goes_on_with_whom_a_release_left_in_the_middle(person: dict[str, Any]) -> None:
    talker = left(person)
    talker.says(person["says"]).expects_step(person["step"]).hears(person["hears"])


@pytest.mark.parametrize("person", LEFT_BY_A_RELEASE)
def test_nothing_that_a_release_stored_is_forgotten(person: dict[str, Any]) -> None:
    stored = left(person).stored
    found = writing.records_of(stored.session, stored.contact)
    for kind, record in person["records"].items():
        assert (found[kind] is None) == (record is None)
        for name, value in (record or {}).items():
            if name in found[kind] and name != "schema":
                assert found[kind][name] == value, f"{kind}.{name}"


@pytest.mark.parametrize("person", WITH_A_MESSAGE_ID)
def test_a_message_that_an_earlier_release_answered_is_not_handled_again(person: dict[str, Any]) -> None:
    talker = left(person)
    before = talker.stored.session_version
    talker.says("what Twilio delivers once more", sid=person["last_sid"])
    assert talker.stored.session_version == before


def test_the_examples_use_every_field() -> None:
    missing = writing.fields_without_a_value()
    assert not missing, ADVICE + ", ".join(sorted(missing))


def shapes_of_earlier_releases() -> set[str]:
    return set().union(*(writing.shape_of(json.loads(path.read_text())["people"]) for path in FILES))


def test_what_this_release_writes_is_kept_as_an_example() -> None:
    new = writing.shape_of(writing.todays_people()) - shapes_of_earlier_releases()
    assert not new, ADVICE + ", ".join(sorted(new))


def test_every_field_that_an_earlier_release_reads_is_still_written() -> None:
    """Both run during a rollout, and the later one may be taken back."""
    missing = shapes_of_earlier_releases() - writing.shape_of(writing.todays_people())
    assert not missing, f"an earlier release looks for {', '.join(sorted(missing))}"
