"""Suppressions, and STOPs that are counted against a broadcast."""

from __future__ import annotations

from onboarding_bot.storage import keys
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from tests.broadcasts.people import add
from tests.fakes import NOON
from tests.storage.broadcasts import (
    TEXT,
    BroadcastStorage,
    assert_each_is_unavailable,
    sent,
    with_recipients,
    without_redis,
)


def test_a_person_is_suppressed_once_three_different_broadcasts_met_an_error(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    person_id = add(store)

    def is_suppressed() -> bool:
        return "suppressed" in storage.recipients.would_add(keys.shard_of(person_id), [person_id], TEXT, NOON)

    for broadcast_id in ("a", "a", "a", "b", "b"):
        storage.suppressions.suppress_after(3, broadcast_id, person_id, 63003)
        assert not is_suppressed()
    storage.suppressions.suppress_after(3, "c", person_id, 63003)
    assert is_suppressed()


def test_a_stop_is_counted_against_the_last_broadcast_that_wrote(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    person_id = add(store)
    first, last = sent(storage, person_id), sent(storage, person_id)
    with_recipients(storage, person_id)
    add(store, has_stopped=True)
    add(store, has_stopped=True)
    assert storage.recipients.counts(last)["stops"] == 1
    assert "stops" not in storage.recipients.counts(first)


def test_a_stop_of_a_person_who_never_got_a_broadcast_counts_nowhere(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    person_id = add(store)
    broadcast_id = with_recipients(storage, person_id)
    add(store, has_stopped=True)
    assert "stops" not in storage.recipients.counts(broadcast_id)


def test_without_redis_every_method_says_so() -> None:
    suppressions, person_id = without_redis().suppressions, "0" * 32
    assert_each_is_unavailable(
        [
            lambda: suppressions.suppress(person_id, 21610),
            lambda: suppressions.suppress_after(3, "x", person_id, 63003),
        ]
    )
