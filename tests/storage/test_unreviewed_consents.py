"""Whose yes to service messages is still to be reviewed, found on each server that the store may stand on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from onboarding_bot.conversation.contact import NEWS, SERVICE, Consent
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.session_store import StoredPerson
from onboarding_bot.storage.unreviewed_consents import UnreviewedConsents
from tests.broadcasts.people import add, sender_of
from tests.fakes import NOON
from tests.storage.broadcasts import KEYS


@pytest.fixture
def unreviewed(client: AnyRedis) -> UnreviewedConsents:
    return UnreviewedConsents(client, KEYS)


def without_mark(client: AnyRedis, person_id: str) -> str:
    """As a release leaves it that knows of no mark."""
    client.hdel(KEYS.permit(person_id), "service_rule")
    return person_id


def test_all_people_with_an_unreviewed_consent_are_found(
    client: AnyRedis, store: RedisSessionStore, unreviewed: UnreviewedConsents
) -> None:
    people = {without_mark(client, add(store, sender_of(number))) for number in range(80)}
    add(store, sender_of(99))
    assert set(unreviewed.person_ids()) == people


def test_a_yes_that_is_newer_than_its_mark_is_found(
    client: AnyRedis, store: RedisSessionStore, unreviewed: UnreviewedConsents
) -> None:
    person_id = add(store)
    assert list(unreviewed.person_ids()) == []
    client.hset(KEYS.permit(person_id), "service", "1")
    assert list(unreviewed.person_ids()) == [person_id]


def test_a_review_marks_a_yes_and_nothing_lives_longer_for_it(
    client: AnyRedis, store: RedisSessionStore, unreviewed: UnreviewedConsents
) -> None:
    person_id = without_mark(client, add(store))
    client.pexpire(KEYS.contact(person_id), 60_000)
    known = store.load(person_id)
    assert known.contact is not None
    assert isinstance(store.amend(known, known.contact, is_reviewed=True), StoredPerson)
    assert list(unreviewed.person_ids()) == []
    assert client.pttl(KEYS.permit(person_id)) <= 60_000


def test_the_mark_goes_with_the_yes(client: AnyRedis, store: RedisSessionStore) -> None:
    person_id = add(store)
    known = store.load(person_id)
    assert known.contact is not None
    assert client.hexists(KEYS.permit(person_id), "service_rule")
    store.amend(known, replace(known.contact, consents={}))
    assert not client.hexists(KEYS.permit(person_id), "service_rule")


def test_a_yes_to_news_leaves_the_other_one_unreviewed(
    client: AnyRedis, store: RedisSessionStore, unreviewed: UnreviewedConsents
) -> None:
    person_id = without_mark(client, add(store))
    known = store.load(person_id)
    assert known.contact is not None
    store.amend(known, replace(known.contact, consents={**known.contact.consents, NEWS: Consent(NOON, "a", "b")}))
    assert list(unreviewed.person_ids()) == [person_id]


def test_another_yes_to_service_is_marked(
    client: AnyRedis, store: RedisSessionStore, unreviewed: UnreviewedConsents
) -> None:
    without_mark(client, add(store))
    known = store.load(store.identify("whatsapp:+919876543210"))
    assert known.contact is not None
    later = Consent(NOON + timedelta(days=1), "admin ops", "by phone")
    store.amend(known, replace(known.contact, consents={SERVICE: later}))
    assert list(unreviewed.person_ids()) == []
