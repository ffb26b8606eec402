"""The audiences of broadcasts: fixed when a broadcast begins, and read in batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.storage import keys
from onboarding_bot.storage.audiences import BATCH
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import SHARDS
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from tests.broadcasts.people import add, add_many, sender_of
from tests.fakes import NOON
from tests.storage.broadcasts import (
    DAY,
    HOUR,
    KEYS,
    TEXT,
    BroadcastStorage,
    assert_each_is_unavailable,
    created,
    without_redis,
)


def batches_of(storage: BroadcastStorage, broadcast_id: str, shard: int) -> Iterator[list[str]]:
    for offset in itertools.count(0, BATCH):
        yield storage.audiences.people(broadcast_id, shard, offset)


def audience_of(storage: BroadcastStorage, broadcast_id: str) -> list[str]:
    return [
        person_id
        for shard in range(SHARDS)
        for batch in itertools.takewhile(bool, batches_of(storage, broadcast_id, shard))
        for person_id in batch
    ]


def test_the_audience_of_a_step_are_its_living_sessions(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    here = add_many(store, 5, step=OnboardingStep.PHONE)
    add_many(store, 3, first=10, step=OnboardingStep.NAME)
    add_many(store, 3, first=20, step=OnboardingStep.PHONE, wrote_at=NOON - DAY)
    broadcast_id = created(storage)
    assert storage.audiences.fix(broadcast_id, OnboardingStep.PHONE, NOON) == 5
    assert sorted(audience_of(storage, broadcast_id)) == sorted(here)


def test_without_a_step_it_is_everybody_who_ever_wrote(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    everybody = add_many(store, 5) + add_many(store, 5, first=10, wrote_at=NOON - 60 * DAY)
    broadcast_id = created(storage)
    assert storage.audiences.fix(broadcast_id, None, NOON) == 10
    assert sorted(audience_of(storage, broadcast_id)) == sorted(everybody)


def test_people_who_move_on_meanwhile_are_neither_missed_nor_doubled(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    people = add_many(store, 20, step=OnboardingStep.NAME)
    broadcast_id = created(storage)
    storage.audiences.fix(broadcast_id, OnboardingStep.NAME, NOON)
    add_many(store, 20, step=OnboardingStep.SECTOR)
    add_many(store, 5, first=50, step=OnboardingStep.NAME)
    assert sorted(audience_of(storage, broadcast_id)) == sorted(people)


def test_an_audience_is_fixed_once(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    """Two schedulers for a moment: the slower one must not change from which people recipients are made."""
    people = add_many(store, 5)
    broadcast_id = created(storage)
    storage.audiences.fix(broadcast_id, None, NOON)
    shards = {keys.shard_of(person_id) for person_id in people}
    others = [n for n in range(100, 400) if keys.shard_of(KEYS.person_id(sender_of(n))) in shards][:5]
    for number in others:
        add(store, sender_of(number))
    assert storage.audiences.fix(broadcast_id, None, NOON + HOUR) == 5
    assert sorted(audience_of(storage, broadcast_id)) == sorted(people)


def test_batches_stay_small_however_many_there_are(storage: BroadcastStorage, client: AnyRedis) -> None:
    """Nothing ever holds all people of a shard at once; recipients come as the server hands them out."""
    people = {f"00000000{number:024x}": NOON.timestamp() * 1000 for number in range(3 * BATCH)}
    client.zadd(keys.contacts_of(0), people)
    broadcast_id = created(storage)
    assert storage.audiences.fix(broadcast_id, None, NOON) == 3 * BATCH
    living = list(storage.audiences.people_now(0, None, NOON))
    assert [len(batch) for batch in living] == [BATCH] * 3
    for offset in (0, BATCH, 2 * BATCH):
        batch = storage.audiences.people(broadcast_id, 0, offset)
        assert len(batch) == BATCH
        storage.recipients.add(broadcast_id, 0, batch, TEXT, NOON)
    assert storage.audiences.people(broadcast_id, 0, 3 * BATCH) == []
    found = list(storage.recipients.all(broadcast_id))
    assert max(len(batch) for batch in found) < 2 * BATCH
    assert len({recipient.person_id for batch in found for recipient in batch}) == 3 * BATCH


def test_the_progress_of_each_shard_is_remembered(storage: BroadcastStorage) -> None:
    broadcast_id = created(storage)
    assert storage.audiences.progress(broadcast_id, 7) == 0
    storage.audiences.set_progress(broadcast_id, 7, 500, is_done=False)
    storage.audiences.set_progress(broadcast_id, 8, 3, is_done=True)
    assert storage.audiences.progress(broadcast_id, 7) == 500
    assert storage.audiences.unfinished_shards(broadcast_id) == [shard for shard in range(SHARDS) if shard != 8]


def test_without_redis_every_method_says_so() -> None:
    audiences = without_redis().audiences
    assert_each_is_unavailable(
        [
            lambda: audiences.fix("x", None, NOON),
            lambda: audiences.people("x", 0, 0),
            lambda: list(audiences.people_now(0, None, NOON)),
            lambda: audiences.progress("x", 0),
            lambda: audiences.set_progress("x", 0, 1, is_done=True),
            lambda: audiences.unfinished_shards("x"),
        ]
    )
