"""Who may be sent a message: decided when a recipient is added, and once more immediately before the call."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.outbound.broadcast_definition import Definition
from onboarding_bot.outbound.broadcast_states import RecipientState
from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from tests.broadcasts.people import add, sender_of
from tests.fakes import NOON
from tests.storage.broadcasts import (
    DAY,
    HOUR,
    KEYS,
    NEWS,
    NEWS_TEMPLATE,
    SECOND,
    TEMPLATE,
    TEXT,
    BroadcastStorage,
    add_recipient,
    by_person,
    claimed,
    sent,
    state,
    with_recipients,
)


def marketing_sent(storage: BroadcastStorage, store: RedisSessionStore, *days_ago: int, **who: Any) -> str:
    """Somebody who wants news, and got some already."""
    person_id = add(store, wants_news=True, wrote_at=NOON - 30 * DAY, **who)
    for days in sorted(days_ago, reverse=True):
        sent(storage, person_id, NEWS_TEMPLATE, NOON - days * DAY)
    return person_id


WINDOW = timedelta(hours=24) - timedelta(minutes=5)
LATE = NOON - WINDOW
CASES = [
    pytest.param(TEXT, {}, "pending", id="text, wrote just now"),
    pytest.param(TEXT, {"wrote_at": LATE + SECOND}, "pending", id="text, a second left of the window"),
    pytest.param(TEXT, {"wrote_at": LATE}, "outside_window", id="text, five minutes before the window closes"),
    pytest.param(TEXT, {"wrote_at": NOON - 30 * DAY}, "outside_window", id="text, silent for weeks"),
    pytest.param(TEXT, {"wrote_at": LATE, "wants_news": True}, "outside_window", id="text, a yes opens no window"),
    pytest.param(TEMPLATE, {}, "pending", id="template inside the window"),
    pytest.param(TEMPLATE, {"wrote_at": LATE + SECOND}, "pending", id="template, a second left of the window"),
    pytest.param(TEMPLATE, {"wrote_at": LATE}, "no_consent", id="template outside the window, silence is no"),
    pytest.param(TEMPLATE, {"wrote_at": LATE, "wants_news": True}, "pending", id="template outside, with a yes"),
    pytest.param(NEWS, {}, "no_consent", id="marketing inside the window, silence is no"),
    pytest.param(NEWS, {"wants_news": True}, "pending", id="marketing inside the window, with a yes"),
    pytest.param(NEWS_TEMPLATE, {"wrote_at": LATE}, "no_consent", id="marketing template outside the window"),
    pytest.param(TEXT, {"has_stopped": True}, "opted_out", id="said STOP"),
    pytest.param(NEWS, {"has_stopped": True, "wants_news": True}, "opted_out", id="said UPDATES, then STOP"),
    pytest.param(TEXT, {"has_stopped": True, "wrote_at": LATE}, "opted_out", id="STOP comes before the window"),
]


@pytest.mark.parametrize(("definition", "who", "expected"), CASES)
def test_who_becomes_a_recipient_that_is_pending(
    storage: BroadcastStorage, store: RedisSessionStore, definition: Definition, who: dict[str, Any], expected: str
) -> None:
    person_id = add(store, **who)
    counted = storage.recipients.would_add(keys.shard_of(person_id), [person_id], definition, NOON)
    counted.pop("outside", None)
    assert counted == {expected: 1}
    broadcast_id = with_recipients(storage, person_id, definition=definition)
    expected_recipient = ("pending", "") if expected == "pending" else ("skipped", expected)
    assert state(storage, broadcast_id, person_id) == expected_recipient
    assert storage.recipients.counts(broadcast_id).get(f"skipped:{expected}", 0) == int(expected != "pending")


@pytest.mark.parametrize(("definition", "who", "expected"), CASES)
def test_the_claim_decides_once_more_immediately_before_the_call(
    storage: BroadcastStorage,
    store: RedisSessionStore,
    client: AnyRedis,
    definition: Definition,
    who: dict[str, Any],
    expected: str,
) -> None:
    """Nothing stood in the way when the recipient was added."""
    person_id = add(store, wants_news=True)
    broadcast_id = with_recipients(storage, person_id, definition=definition)
    assert state(storage, broadcast_id, person_id) == ("pending", "")
    add(store, **who)
    claim = storage.recipients.claim(broadcast_id, person_id, definition, NOON)
    if expected == "pending":
        assert isinstance(claim, Contact)
        assert state(storage, broadcast_id, person_id) == ("sending", "")
    else:
        assert claim is None
        assert state(storage, broadcast_id, person_id) == ("skipped", expected)
        assert storage.recipients.counts(broadcast_id)[f"skipped:{expected}"] == 1


def test_the_window_closes_while_the_recipient_waits(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = with_recipients(storage, person_id)
    assert storage.recipients.claim(broadcast_id, person_id, TEXT, NOON + WINDOW) is None
    assert state(storage, broadcast_id, person_id) == ("skipped", "outside_window")


def test_a_suppressed_person_is_left_out(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    before, after = add(store, sender_of(1)), add(store, sender_of(2))
    broadcast_id = with_recipients(storage, after)
    storage.suppressions.suppress(before, 21610)
    storage.suppressions.suppress(after, 63014)
    add_recipient(storage, broadcast_id, before, TEXT, NOON)
    assert storage.recipients.claim(broadcast_id, after, TEXT, NOON) is None
    assert state(storage, broadcast_id, before) == state(storage, broadcast_id, after) == ("skipped", "suppressed")


def test_a_person_whose_record_is_gone_is_left_out(
    storage: BroadcastStorage, store: RedisSessionStore, client: AnyRedis
) -> None:
    person_id = add(store)
    broadcast_id = with_recipients(storage, person_id)
    client.delete(KEYS.contact(person_id))
    assert storage.recipients.claim(broadcast_id, person_id, TEXT, NOON) is None
    assert state(storage, broadcast_id, person_id)[0] == "skipped"


def test_a_person_whose_record_nobody_can_read_has_failed(
    storage: BroadcastStorage, store: RedisSessionStore, client: AnyRedis
) -> None:
    person_id = add(store)
    broadcast_id = with_recipients(storage, person_id)
    client.set(KEYS.contact(person_id), b"\x01scrambled beyond repair, and long enough")
    with structlog.testing.capture_logs():
        assert storage.recipients.claim(broadcast_id, person_id, TEXT, NOON) is None
    assert state(storage, broadcast_id, person_id) == ("failed", "unreadable")


@pytest.mark.parametrize(
    ("days_ago", "expected"),
    [
        pytest.param([], "pending", id="none yet"),
        pytest.param([1], "pending", id="a day ago"),
        pytest.param([0], "frequency", id="just now"),
        pytest.param([1, 6], "frequency", id="two this week"),
        pytest.param([2, 7], "pending", id="one of two a week ago"),
        pytest.param([2, 4, 9], "frequency", id="two of three this week"),
    ],
)
def test_marketing_keeps_its_distance(
    storage: BroadcastStorage, store: RedisSessionStore, days_ago: list[int], expected: str
) -> None:
    person_id = marketing_sent(storage, store, *days_ago)
    shard = keys.shard_of(person_id)
    assert storage.recipients.would_add(shard, [person_id], NEWS_TEMPLATE, NOON).get(expected) == 1
    assert storage.recipients.would_add(shard, [person_id], TEMPLATE, NOON)["pending"] == 1, (
        "service is not held up by it"
    )


def test_two_marketing_broadcasts_at_once_are_one_message(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    person_id = add(store, wants_news=True)
    both = [with_recipients(storage, person_id, definition=NEWS) for _ in range(2)]
    claims = [storage.recipients.claim(broadcast_id, person_id, NEWS, NOON) for broadcast_id in both]
    assert [claim is not None for claim in claims] == [True, False]
    assert state(storage, both[1], person_id) == ("skipped", "frequency")


def may_get_news(storage: BroadcastStorage, person_id: str, at: datetime = NOON) -> bool:
    return "pending" in storage.recipients.would_add(keys.shard_of(person_id), [person_id], NEWS_TEMPLATE, at)


def test_marketing_that_did_not_arrive_does_not_count(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    person_id = marketing_sent(storage, store, 3)
    broadcast_id = claimed(storage, person_id, NEWS_TEMPLATE)
    assert not may_get_news(storage, person_id)
    storage.recipients.record_send(broadcast_id, person_id, RecipientState.FAILED, code="63016")
    assert may_get_news(storage, person_id)
    refused = sent(storage, person_id, NEWS_TEMPLATE)
    storage.recipients.apply_callback(refused, person_id, RecipientState.FAILED, "63049", "SM1")
    assert may_get_news(storage, person_id)
    sent(storage, person_id, NEWS_TEMPLATE)
    assert not may_get_news(storage, person_id, NOON + 2 * DAY), "three days ago and now are two this week"


@pytest.mark.parametrize("end", [RecipientState.FAILED, RecipientState.SENT])
def test_another_message_that_failed_gives_no_marketing_back(
    storage: BroadcastStorage, store: RedisSessionStore, end: RecipientState
) -> None:
    person_id = add(store, wants_news=True)
    sent(storage, person_id, NEWS)
    service = claimed(storage, person_id, TEXT)
    storage.recipients.record_send(service, person_id, end, code="63016", message_sid="SM2")
    storage.recipients.apply_callback(service, person_id, RecipientState.FAILED, "63016", "SM2")
    assert not may_get_news(storage, person_id)


def test_marketing_that_may_be_out_counts(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    person_id = add(store, wants_news=True)
    broadcast_id = claimed(storage, person_id, NEWS)
    storage.recipients.record_send(broadcast_id, person_id, RecipientState.UNCERTAIN)
    assert not may_get_news(storage, person_id)


def test_adding_recipients_twice_changes_nothing(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    """A worker that died in the middle is followed by one that begins its batch anew."""
    waits, skipped, on_its_way = add(store, sender_of(1)), add(store, sender_of(2), has_stopped=True), add(store)
    broadcast_id = with_recipients(storage, waits, skipped, on_its_way)
    storage.recipients.claim(broadcast_id, on_its_way, TEXT, NOON)
    before = by_person(storage, broadcast_id), storage.recipients.counts(broadcast_id)
    for person_id in (waits, skipped, on_its_way):
        add_recipient(storage, broadcast_id, person_id, TEXT, NOON + HOUR)
    assert (by_person(storage, broadcast_id), storage.recipients.counts(broadcast_id)) == before
    assert storage.recipients.claim(broadcast_id, on_its_way, TEXT, NOON) is None


def test_counting_writes_nothing(storage: BroadcastStorage, store: RedisSessionStore, client: AnyRedis) -> None:
    person_id = add(store, wrote_at=LATE, wants_news=True)
    before = sorted(client.keys())
    counted = storage.recipients.would_add(keys.shard_of(person_id), [person_id], TEMPLATE, NOON)
    assert counted == {"pending": 1, "outside": 1}
    assert sorted(client.keys()) == before
    assert storage.recipients.would_add(0, [], TEMPLATE, NOON) == {}
