"""The records of broadcasts: created once for a key, moved from status to status, listed and scheduled."""

from __future__ import annotations

import pytest

from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from tests.fakes import NOON
from tests.storage.broadcasts import (
    DAY,
    HOUR,
    SECOND,
    TEMPLATE,
    TEXT,
    BroadcastStorage,
    S,
    assert_each_is_unavailable,
    at_once,
    created,
    without_redis,
)


def test_what_was_created_is_found(storage: BroadcastStorage) -> None:
    definition = Definition(message="नमस्ते", target_step=OnboardingStep.PHONE, schedule_at=NOON + DAY)
    broadcast_id, is_same = storage.records.create(definition, NOON, None)
    found = storage.records.find(broadcast_id)
    assert is_same
    assert found is not None
    assert (found.id, found.definition, found.status) == (broadcast_id, definition, S.SCHEDULED)
    assert (found.created_at, found.reason, found.is_counted) == (NOON, "", False)
    assert storage.records.active() == [broadcast_id]


def test_nobody_knows_a_broadcast_that_there_is_not(storage: BroadcastStorage) -> None:
    assert storage.records.find("0" * 24) is None
    assert storage.records.find_by_key("never used") is None
    assert storage.recipients.counts("0" * 24) == {}
    assert storage.records.active() == storage.records.newest(0, 10) == []


def test_the_same_key_and_definition_are_the_same_broadcast(storage: BroadcastStorage) -> None:
    first = storage.records.create(TEXT, NOON, "key")
    assert storage.records.create(TEXT, NOON + HOUR, "key") == first
    assert storage.records.find_by_key("key") == first[0]
    assert storage.records.newest(0, 10) == storage.records.active() == [first[0]]


def test_another_definition_with_that_key_changes_nothing(storage: BroadcastStorage) -> None:
    first, _ = storage.records.create(TEXT, NOON, "key")
    assert storage.records.create(TEMPLATE, NOON, "key") == (first, False)
    assert storage.records.newest(0, 10) == [first]
    found = storage.records.find(first)
    assert found is not None
    assert found.definition == TEXT


def test_without_a_key_every_call_is_a_broadcast(storage: BroadcastStorage) -> None:
    assert storage.records.create(TEXT, NOON, None)[0] != storage.records.create(TEXT, NOON, None)[0]


def test_a_key_used_many_times_at_once_makes_one_broadcast(storage: BroadcastStorage) -> None:
    assert len(set(at_once(lambda: storage.records.create(TEXT, NOON, "key")))) == 1
    assert len(storage.records.newest(0, 10)) == 1


def test_a_key_is_remembered_for_a_week(storage: BroadcastStorage, client: AnyRedis) -> None:
    storage.records.create(TEXT, NOON, "key")
    assert 6 * 86_400 < client.ttl(keys.idempotency("key")) <= 7 * 86_400


def test_the_newest_come_first_and_in_pages(storage: BroadcastStorage) -> None:
    ids = [storage.records.create(TEXT, NOON + number * SECOND, None)[0] for number in range(5)]
    assert storage.records.newest(0, 2) == [ids[4], ids[3]]
    assert storage.records.newest(4, 2) == [ids[0]]


def test_a_broadcast_moves_only_from_where_it_may(storage: BroadcastStorage) -> None:
    broadcast_id, _ = storage.records.create(TEXT, NOON, None)
    assert storage.records.transition(broadcast_id, S.PAUSED, [S.SENDING], "no") == (S.COUNTING, False)
    assert storage.records.transition(broadcast_id, S.PAUSED, [S.SENDING, S.COUNTING], "by hand") == (S.COUNTING, True)
    found = storage.records.find(broadcast_id)
    assert found is not None
    assert (found.status, found.reason) == (S.PAUSED, "by hand")


@pytest.mark.parametrize("final", [S.STOPPED, S.CANCELLED, S.COMPLETED])
def test_what_is_over_is_active_until_it_is_deactivated(storage: BroadcastStorage, final: S) -> None:
    broadcast_id = created(storage)
    storage.records.transition(broadcast_id, final, [S.SENDING])
    assert storage.records.active() == [broadcast_id]
    storage.records.deactivate(broadcast_id, final)
    assert storage.records.active() == []


def test_what_goes_on_again_meanwhile_is_not_deactivated(storage: BroadcastStorage) -> None:
    broadcast_id = created(storage)
    storage.records.transition(broadcast_id, S.COMPLETED, [S.SENDING])
    storage.records.deactivate(broadcast_id, S.COMPLETED)
    storage.records.reopen(broadcast_id)
    storage.records.deactivate(broadcast_id, S.COMPLETED)
    assert storage.records.active() == [broadcast_id]


def test_only_a_completed_broadcast_is_reopened(storage: BroadcastStorage) -> None:
    broadcast_id = created(storage)
    storage.records.transition(broadcast_id, S.CANCELLED, [S.SENDING])
    storage.records.reopen(broadcast_id)
    found = storage.records.find(broadcast_id)
    assert found is not None
    assert found.status is S.CANCELLED


def test_metas_judgement_on_a_template_goes_before_the_admins(storage: BroadcastStorage) -> None:
    broadcast_id = created(storage, TEMPLATE)
    storage.records.set_fields(broadcast_id, is_marketing=1)
    found = storage.records.find(broadcast_id)
    assert found is not None
    assert found.definition.purpose is Purpose.MARKETING


def test_a_schedule_is_found_in_time_and_not_twice(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    ids = [storage.records.create(TEXT, NOON, None)[0] for _ in range(20)]
    for broadcast_id in ids:
        storage.records.schedule(broadcast_id, NOON + HOUR)
        storage.records.schedule(broadcast_id, NOON + DAY)
    assert store.take_due(NOON, HOUR) == []
    assert sorted(store.take_due(NOON + HOUR, HOUR)) == [
        (DueWork.BROADCAST, broadcast_id) for broadcast_id in sorted(ids)
    ]
    for broadcast_id in ids:
        storage.records.unschedule(broadcast_id)
    assert store.take_due(NOON + DAY, HOUR) == []


def test_without_redis_every_method_says_so() -> None:
    records = without_redis().records
    assert_each_is_unavailable(
        [
            lambda: records.create(TEXT, NOON, "key"),
            lambda: records.find("0" * 24),
            lambda: records.find_by_key("key"),
            lambda: records.newest(0, 1),
            lambda: records.created_before(NOON),
            records.active,
            lambda: records.transition("x", S.PAUSED, [S.SENDING]),
            lambda: records.deactivate("x", S.STOPPED),
            lambda: records.set_fields("x", wave=1),
            lambda: records.note_limit("x", NOON),
            lambda: records.clear_limit("x"),
            lambda: records.schedule("f" * 24, NOON),
            lambda: records.unschedule("f" * 24),
            lambda: records.forget("f" * 24),
        ]
    )
