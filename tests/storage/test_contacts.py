"""The contact records of many people."""

from __future__ import annotations

from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from tests.broadcasts.people import add
from tests.storage.broadcasts import (
    KEYS,
    BroadcastStorage,
    assert_each_is_unavailable,
    without_redis,
)


def test_contacts_are_read_for_filters_and_files(
    storage: BroadcastStorage, store: RedisSessionStore, client: AnyRedis
) -> None:
    person_id = add(store, answers={"sector": "Retail"})
    (contact,) = storage.contacts.of([person_id])
    assert contact is not None
    assert contact.draft is not None
    assert contact.draft.data == {"sector": "Retail"}
    client.delete(KEYS.contact(person_id))
    assert storage.contacts.of([person_id]) == [None]
    assert storage.contacts.of([]) == []


def test_without_redis_every_method_says_so() -> None:
    contacts, person_id = without_redis().contacts, "0" * 32
    assert_each_is_unavailable(
        [
            lambda: contacts.of([person_id]),
            lambda: list(contacts.everybody()),
            lambda: contacts.present_id(person_id),
        ]
    )
