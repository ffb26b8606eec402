"""Due work of a shard: what is taken, what stays, and what a release leaves to a later one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.storage import redis_session_store
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import due_in
from onboarding_bot.storage.redis_session_store import DUE_AT_ONCE, RedisSessionStore
from tests.stored_bytes import stored_scores

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SHARD = 5
UNKNOWN = {
    "a kind of a later release": "errand:0123",
    "a kind that begins like one of ours": "nudges:0123",
    "a kind with more behind it": "event:0123:7",
    "no kind at all": "0123",
}


def milliseconds(moment: datetime) -> float:
    return moment.timestamp() * 1000


def add(client: AnyRedis, *members: str, at: datetime = NOON) -> None:
    client.zadd(due_in(SHARD), dict.fromkeys(members, milliseconds(at)))


def scores(client: AnyRedis) -> dict[str, float]:
    return {member.decode(): score for member, score in stored_scores(client, due_in(SHARD)).items()}


def test_what_is_taken_is_due_again_after_the_lease(client: AnyRedis, store: RedisSessionStore) -> None:
    add(client, "nudge:a")
    assert store.take_due(NOON, MINUTE) == [(DueWork.REMINDER, "a")]
    assert store.take_due(NOON, MINUTE) == []
    assert store.take_due(NOON + MINUTE, MINUTE) == [(DueWork.REMINDER, "a")]


def test_what_is_not_due_yet_stays(client: AnyRedis, store: RedisSessionStore) -> None:
    add(client, "otp:a", at=NOON + MINUTE)
    assert store.take_due(NOON, MINUTE) == []
    assert scores(client) == {"otp:a": milliseconds(NOON + MINUTE)}


@pytest.mark.parametrize("member", UNKNOWN.values(), ids=UNKNOWN)
def test_work_that_this_release_does_not_know_stays_as_it_is(
    client: AnyRedis, store: RedisSessionStore, member: str
) -> None:
    add(client, member, at=NOON - MINUTE)
    add(client, "otp:a")
    assert store.take_due(NOON, MINUTE) == [(DueWork.OTP, "a")]
    assert scores(client) == {member: milliseconds(NOON - MINUTE), "otp:a": milliseconds(NOON + MINUTE)}


def test_work_behind_much_that_nobody_knows_is_taken_all_the_same(
    client: AnyRedis, store: RedisSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_session_store, "DUE_LOOKED_AT", 7)
    add(client, *(f"errand:{number}" for number in range(40)), at=NOON - MINUTE)
    add(client, *(f"nudge:{number}" for number in range(10)))
    add(client, *(f"event:{number}" for number in range(40)))
    add(client, "messages:last")
    taken = {who for _, who in store.take_due(NOON, MINUTE)}
    assert taken == {"last", *map(str, range(10))}
    left = scores(client)
    assert len(left) == 91
    assert {left[f"errand:{number}"] for number in range(40)} == {milliseconds(NOON - MINUTE)}


def test_a_shard_gives_no_more_than_its_part_at_once(
    client: AnyRedis, store: RedisSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_session_store, "DUE_LOOKED_AT", DUE_AT_ONCE - 1)
    add(client, *(f"nudge:{number}" for number in range(DUE_AT_ONCE + 3)))
    assert len(store.take_due(NOON, MINUTE)) == DUE_AT_ONCE
    assert len(store.take_due(NOON, MINUTE)) == 3
