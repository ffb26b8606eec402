"""The recipients of broadcasts: claimed once, moved forwards only, tried again as often as they may be."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onboarding_bot.outbound.broadcast_states import RecipientState
from onboarding_bot.outbound.retry_schedule import RetryPlan
from onboarding_bot.outbound.sending_window import SENDING_WINDOW
from onboarding_bot.storage import keys
from onboarding_bot.storage.audiences import BATCH
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.recipients import Recipient
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from tests.broadcasts.people import add, add_many, sender_of
from tests.fakes import NOON
from tests.storage.broadcasts import (
    DAY,
    HOUR,
    NEWS,
    SECOND,
    TEMPLATE,
    TEXT,
    BroadcastStorage,
    assert_each_is_unavailable,
    at_once,
    by_person,
    claimed,
    created,
    sent,
    state,
    states,
    with_recipients,
    without_redis,
)


def test_a_recipient_is_claimed_exactly_once(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = with_recipients(storage, person_id)
    claims = at_once(lambda: storage.recipients.claim(broadcast_id, person_id, TEXT, NOON))
    assert [claim.address for claim in claims if claim] == ["whatsapp:+919876543210"]
    assert states(storage, broadcast_id) == {"sending": 1}


def test_candidates_are_those_whose_time_has_come(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    inside, outside = (
        add(store, wants_news=True),
        add(store, sender_of(1), wrote_at=NOON - SENDING_WINDOW, wants_news=True),
    )
    broadcast_id = with_recipients(storage, inside, outside, definition=TEMPLATE)
    found = {
        candidate.person_id: (candidate.is_inside_window, candidate.is_first_try)
        for shard in storage.recipients.due_shards(broadcast_id, NOON)
        for candidate in storage.recipients.candidates(broadcast_id, shard, 16, NOON)
    }
    assert found == {inside: (True, True), outside: (False, True)}
    storage.recipients.postpone(broadcast_id, inside, NOON + HOUR)
    assert storage.recipients.due_shards(broadcast_id, NOON) == [keys.shard_of(outside)]
    assert storage.recipients.candidates(broadcast_id, keys.shard_of(inside), 16, NOON) == []
    assert sorted(storage.recipients.due_shards(broadcast_id, NOON + HOUR)) == sorted(
        map(keys.shard_of, [inside, outside])
    )


def test_a_recipient_that_is_tried_again_is_no_first_try(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = claimed(storage, person_id)
    storage.recipients.record_send(
        broadcast_id, person_id, RecipientState.FAILED, code="20429", retry=RetryPlan((NOON,), "retries")
    )
    (candidate,) = storage.recipients.candidates(broadcast_id, keys.shard_of(person_id), 16, NOON)
    assert not candidate.is_first_try


def test_a_recipient_who_was_claimed_meanwhile_is_not_postponed(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    person_id = add(store)
    broadcast_id = claimed(storage, person_id)
    storage.recipients.postpone(broadcast_id, person_id, NOON)
    assert storage.recipients.due_shards(broadcast_id, NOON) == []


def test_a_message_on_its_way_is_in_flight_until_its_outcome_is_recorded(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    person_id = add(store)
    broadcast_id = claimed(storage, person_id)
    assert (states(storage, broadcast_id), storage.recipients.in_flight(broadcast_id)) == ({"sending": 1}, 1)
    storage.recipients.record_send(broadcast_id, person_id, RecipientState.SENT, message_sid="SM1")
    assert (states(storage, broadcast_id), storage.recipients.in_flight(broadcast_id)) == ({"sent": 1}, 0)
    assert storage.recipients.counts(broadcast_id)["accepted"] == 1
    recipient = by_person(storage, broadcast_id)[person_id]
    assert (recipient.message_sid, recipient.tries) == ("SM1", 1)


def test_a_recipient_without_its_worker_becomes_uncertain_and_is_not_sent_again(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    lost, young = add(store), add(store, sender_of(1))
    broadcast_id = with_recipients(storage, lost, young)
    storage.recipients.claim(broadcast_id, lost, TEXT, NOON)
    storage.recipients.claim(broadcast_id, young, TEXT, NOON + 20 * SECOND)
    assert storage.recipients.mark_uncertain(broadcast_id, NOON + SECOND) == 1
    assert state(storage, broadcast_id, lost) == ("uncertain", "")
    assert state(storage, broadcast_id, young) == ("sending", "")
    assert storage.recipients.claim(broadcast_id, lost, TEXT, NOON) is None
    assert storage.recipients.due_shards(broadcast_id, NOON + DAY) == []
    assert storage.recipients.mark_uncertain(broadcast_id, NOON + SECOND) == 0


@pytest.mark.parametrize(
    "told", [RecipientState.SENT, RecipientState.DELIVERED, RecipientState.READ, RecipientState.FAILED]
)
def test_a_later_callback_resolves_an_uncertain_recipient(
    storage: BroadcastStorage, store: RedisSessionStore, told: RecipientState
) -> None:
    person_id = add(store)
    broadcast_id = claimed(storage, person_id)
    storage.recipients.record_send(broadcast_id, person_id, RecipientState.UNCERTAIN)
    assert storage.recipients.apply_callback(broadcast_id, person_id, told, "", "SM1") == (
        RecipientState.UNCERTAIN,
        told,
    )
    assert storage.recipients.counts(broadcast_id)["accepted"] == 1


def test_a_worker_that_was_only_slow_resolves_it_too(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = claimed(storage, person_id)
    storage.recipients.mark_uncertain(broadcast_id, NOON)
    storage.recipients.record_send(broadcast_id, person_id, RecipientState.SENT, message_sid="SM1")
    assert states(storage, broadcast_id) == {"sent": 1}


def test_only_an_uncertain_recipient_is_sent_again_and_only_by_an_admin(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    person_id = add(store)
    broadcast_id = with_recipients(storage, person_id)

    def again() -> bool:
        return storage.recipients.send_again(broadcast_id, person_id, NOON)

    assert not again()
    storage.recipients.claim(broadcast_id, person_id, TEXT, NOON)
    assert not again()
    storage.recipients.record_send(broadcast_id, person_id, RecipientState.UNCERTAIN)
    assert again()
    assert states(storage, broadcast_id) == {"pending": 1}
    assert storage.recipients.claim(broadcast_id, person_id, TEXT, NOON)
    storage.recipients.record_send(broadcast_id, person_id, RecipientState.SENT, message_sid="SM1")
    assert not again()
    assert not storage.recipients.send_again(broadcast_id, "f" * 32, NOON)


@pytest.mark.parametrize("told", [RecipientState.SENT, RecipientState.DELIVERED, RecipientState.READ])
@pytest.mark.parametrize("is_known", [True, False], ids=["sent again", "of a restored backup"])
def test_who_got_the_message_while_the_recipient_waits_does_not_get_another(
    storage: BroadcastStorage, store: RedisSessionStore, told: RecipientState, *, is_known: bool
) -> None:
    person_id = add(store)
    broadcast_id = with_recipients(storage, person_id)
    if is_known:
        storage.recipients.claim(broadcast_id, person_id, TEXT, NOON)
        storage.recipients.record_send(broadcast_id, person_id, RecipientState.UNCERTAIN)
        storage.recipients.send_again(broadcast_id, person_id, NOON)
    assert storage.recipients.apply_callback(broadcast_id, person_id, told, "", "SM1") == (RecipientState.PENDING, told)
    assert storage.recipients.claim(broadcast_id, person_id, TEXT, NOON) is None
    assert states(storage, broadcast_id) == {told.value: 1}
    assert storage.recipients.due_shards(broadcast_id, NOON + DAY) == []


def test_a_recipient_waits_on_when_the_message_failed_that_it_does_not_know(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    person_id = add(store)
    broadcast_id = with_recipients(storage, person_id)
    assert (
        storage.recipients.apply_callback(broadcast_id, person_id, RecipientState.FAILED, "63003", "SM1")
        == (RecipientState.PENDING,) * 2
    )
    assert storage.recipients.claim(broadcast_id, person_id, TEXT, NOON)


def test_marketing_is_not_in_its_own_way_when_it_is_sent_again(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    person_id = add(store, wants_news=True)
    broadcast_id = claimed(storage, person_id, NEWS)
    storage.recipients.record_send(broadcast_id, person_id, RecipientState.UNCERTAIN)
    storage.recipients.send_again(broadcast_id, person_id, NOON)
    assert storage.recipients.claim(broadcast_id, person_id, NEWS, NOON)


def test_a_claim_that_is_released_leaves_no_trace(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    person_id = add(store, wants_news=True)
    broadcast_id = with_recipients(storage, person_id, definition=NEWS)
    assert storage.recipients.claim(broadcast_id, person_id, NEWS, NOON)
    storage.recipients.release_claim(broadcast_id, person_id, NOON)
    recipient = by_person(storage, broadcast_id)[person_id]
    assert replace(recipient, changed_at=None) == Recipient(person_id, RecipientState.PENDING, "", "", 0)
    assert (states(storage, broadcast_id), storage.recipients.in_flight(broadcast_id)) == ({"pending": 1}, 0)
    assert storage.recipients.claim(broadcast_id, person_id, NEWS, NOON), (
        "its marketing message of the day is not used up"
    )


def test_only_a_recipient_that_is_being_sent_to_is_released(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    person_id = add(store)
    broadcast_id = sent(storage, person_id)
    storage.recipients.release_claim(broadcast_id, person_id, NOON)
    assert states(storage, broadcast_id) == {"sent": 1}


def test_each_recipient_is_read_once_while_others_are_added(storage: BroadcastStorage, client: AnyRedis) -> None:
    """The hash of the recipients grows from one batch to the next, which would show a scan some of them twice."""
    people = [f"{7:08x}{number:024x}" for number in range(3 * BATCH)]
    client.zadd(keys.contacts_of(7), dict.fromkeys(people, 1))
    broadcast_id = created(storage)
    storage.audiences.fix(broadcast_id, None, NOON)
    storage.recipients.add(broadcast_id, 7, people[: BATCH + 1], TEXT, NOON)
    read: list[str] = []
    for batch in storage.recipients.all(broadcast_id):
        assert len(batch) <= BATCH
        read += [recipient.person_id for recipient in batch]
        storage.recipients.add(broadcast_id, 7, people[len(read) : len(read) + BATCH], TEXT, NOON)
    assert len(set(read)) == len(read)
    assert set(read) >= set(people[: BATCH + 1])
    assert sorted(by_person(storage, broadcast_id)) == people


def test_a_recipient_knows_when_it_was_accepted_and_when_it_changed(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    """By Redis's own clock, as everything that several workers have to agree on."""
    person_id = add(store)
    broadcast_id = claimed(storage, person_id)
    as_claimed = by_person(storage, broadcast_id)[person_id]
    assert as_claimed.accepted_at is None
    assert as_claimed.changed_at is not None
    storage.recipients.record_send(broadcast_id, person_id, RecipientState.SENT, message_sid="SM1")
    as_sent = by_person(storage, broadcast_id)[person_id]
    assert as_sent.changed_at is not None
    assert as_sent.accepted_at == as_sent.changed_at >= as_claimed.changed_at
    time.sleep(0.002)
    storage.recipients.apply_callback(broadcast_id, person_id, RecipientState.DELIVERED, "", "SM1")
    told = by_person(storage, broadcast_id)[person_id]
    assert told.accepted_at == as_sent.accepted_at
    assert told.changed_at is not None
    assert told.changed_at > as_sent.changed_at


@pytest.mark.parametrize("accepted", [0, 1])
def test_a_recipient_of_an_older_release_is_read_and_moved(
    storage: BroadcastStorage, store: RedisSessionStore, client: AnyRedis, accepted: int
) -> None:
    person_id = add(store)
    broadcast_id = claimed(storage, person_id)
    state_before, sid = ("sent", "SM1") if accepted else ("sending", "")
    name = keys.in_shard(keys.shard_of(person_id), broadcast_id, "rows")
    client.hset(name, person_id, f"{state_before}||{sid}|1|{accepted}|0|0| SM0")
    assert by_person(storage, broadcast_id)[person_id] == Recipient(person_id, RecipientState(state_before), "", sid, 1)
    storage.recipients.apply_callback(broadcast_id, person_id, RecipientState.DELIVERED, "", "SM1")
    recipient = by_person(storage, broadcast_id)[person_id]
    assert (recipient.state, recipient.message_sid, recipient.tries) == (RecipientState.DELIVERED, "SM1", 1)
    assert (recipient.accepted_at is None) is (accepted == 1)
    assert recipient.changed_at is not None
    assert storage.recipients.counts(broadcast_id).get("accepted", 0) == 1 - accepted
    assert storage.recipients.apply_callback(broadcast_id, person_id, RecipientState.READ, "", "SM0") is not None
    assert state(storage, broadcast_id, person_id) == ("delivered", ""), "that was an earlier message"


def fail(storage: BroadcastStorage, broadcast_id: str, person_id: str, code: str, retry: RetryPlan | None) -> str:
    """One try that ends with this error; the state after it."""
    assert storage.recipients.claim(broadcast_id, person_id, TEXT, NOON), "it was not pending"
    storage.recipients.record_send(broadcast_id, person_id, RecipientState.FAILED, code=code, retry=retry)
    return state(storage, broadcast_id, person_id)[0]


def test_a_failure_is_counted_by_its_code(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    people = add_many(store, 3)
    broadcast_id = with_recipients(storage, *people)
    for person_id, code in zip(people, ["63016", "63016", "21211"], strict=True):
        assert fail(storage, broadcast_id, person_id, code, None) == "failed"
    counts = storage.recipients.counts(broadcast_id)
    assert (counts["failed"], counts["failed:63016"], counts["failed:21211"]) == (3, 2, 1)
    assert "accepted" not in counts


def test_a_recipient_is_tried_again_as_often_as_there_are_moments(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    person_id = add(store)
    broadcast_id = with_recipients(storage, person_id)
    later = RetryPlan((NOON, NOON), "later")
    ends = [fail(storage, broadcast_id, person_id, "63049", later) for _ in range(3)]
    assert ends == ["pending", "pending", "failed"]
    assert storage.recipients.counts(broadcast_id)["failed:63049"] == 1


def test_each_reason_to_wait_has_its_own_count(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = with_recipients(storage, person_id)
    retry, later, always = RetryPlan((NOON,), "retries"), RetryPlan((NOON,), "later"), RetryPlan((NOON,))
    ends = [fail(storage, broadcast_id, person_id, "0", again) for again in (always, retry, later, always, always)]
    assert ends == ["pending"] * 5
    assert fail(storage, broadcast_id, person_id, "63049", later) == "failed"


def test_a_recipient_waits_until_its_moment(storage: BroadcastStorage, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = with_recipients(storage, person_id)
    moments = (NOON + SECOND, NOON + HOUR)
    fail(storage, broadcast_id, person_id, "20429", RetryPlan(moments, "retries"))
    assert storage.recipients.due_shards(broadcast_id, NOON) == []
    assert storage.recipients.due_shards(broadcast_id, NOON + SECOND) == [keys.shard_of(person_id)]
    fail(storage, broadcast_id, person_id, "20429", RetryPlan(moments, "retries"))
    assert storage.recipients.due_shards(broadcast_id, NOON + 59 * SECOND) == []


def test_a_message_that_the_daily_limit_held_back_returns_to_pending(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    """And what is still told of it afterwards does not concern the one that follows."""
    person_id = add(store)
    broadcast_id = sent(storage, person_id, sid="SM1")
    hour = RetryPlan((NOON + HOUR,))

    def told(what: RecipientState, sid: str) -> str:
        storage.recipients.apply_callback(broadcast_id, person_id, what, "63018", sid, hour)
        return state(storage, broadcast_id, person_id)[0]

    assert told(RecipientState.FAILED, "SM1") == "pending"
    assert told(RecipientState.FAILED, "SM1") == told(RecipientState.SENT, "SM1") == "pending"
    assert storage.recipients.claim(broadcast_id, person_id, TEXT, NOON + HOUR)
    assert told(RecipientState.DELIVERED, "SM1") == told(RecipientState.FAILED, "SM1") == "sending"
    storage.recipients.record_send(broadcast_id, person_id, RecipientState.UNCERTAIN)
    assert told(RecipientState.DELIVERED, "SM1") == told(RecipientState.READ, "SM1") == "uncertain"
    storage.recipients.record_send(broadcast_id, person_id, RecipientState.SENT, message_sid="SM2")
    assert told(RecipientState.READ, "SM1") == told(RecipientState.FAILED, "SM1") == "sent"
    assert told(RecipientState.FAILED, "SM2") == "pending"
    assert storage.recipients.claim(broadcast_id, person_id, TEXT, NOON + HOUR)
    assert told(RecipientState.READ, "SM1") == told(RecipientState.READ, "SM2") == "sending"
    assert told(RecipientState.READ, "SM3") == "read"
    assert storage.recipients.counts(broadcast_id)["accepted"] == 1


def test_a_callback_that_is_quicker_than_the_answer_is_not_undone(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    people = add_many(store, 3)
    broadcast_id = with_recipients(storage, *people)
    ends = {
        people[0]: (RecipientState.READ, None, "read"),
        people[1]: (RecipientState.FAILED, None, "failed"),
        people[2]: (RecipientState.FAILED, RetryPlan((NOON + HOUR,)), "pending"),
    }
    for person_id, (told, again, expected) in ends.items():
        storage.recipients.claim(broadcast_id, person_id, TEXT, NOON)
        storage.recipients.apply_callback(broadcast_id, person_id, told, "63018", "SM1", again)
        storage.recipients.record_send(broadcast_id, person_id, RecipientState.SENT, message_sid="SM1")
        assert state(storage, broadcast_id, person_id)[0] == expected
    assert storage.recipients.counts(broadcast_id)["accepted"] == 3
    assert storage.recipients.in_flight(broadcast_id) == 0


def test_a_callback_about_no_recipient_changes_nothing(
    storage: BroadcastStorage, store: RedisSessionStore, client: AnyRedis
) -> None:
    skipped, stranger = add(store, has_stopped=True), "f" * 32
    broadcast_id = with_recipients(storage, skipped)
    before = sorted(client.keys())
    assert storage.recipients.apply_callback(broadcast_id, stranger, RecipientState.SENT, "", "SM1") is None
    assert storage.recipients.apply_callback("0" * 24, skipped, RecipientState.SENT, "", "SM1") is None
    storage.recipients.record_send(broadcast_id, stranger, RecipientState.SENT, message_sid="SM1")
    assert (
        storage.recipients.apply_callback(broadcast_id, skipped, RecipientState.SENT, "", "SM1")
        == (RecipientState.SKIPPED,) * 2
    )
    assert sorted(client.keys()) == before
    assert states(storage, broadcast_id) == {"skipped": 1}


_numbers = itertools.count(1)


@pytest.mark.parametrize("told", [RecipientState.DELIVERED, RecipientState.READ])
def test_who_got_a_message_that_was_said_to_have_failed_gets_no_other(
    storage: BroadcastStorage, store: RedisSessionStore, told: RecipientState
) -> None:
    """While the recipient waits for its next try, after one that Twilio did not take, and after a second failure."""
    hour = RetryPlan((NOON + HOUR,))
    for tries_between in range(3):
        person_id = add(store, sender_of(next(_numbers)))
        broadcast_id = sent(storage, person_id, sid="SM1")
        storage.recipients.apply_callback(broadcast_id, person_id, RecipientState.FAILED, "63018", "SM1", hour)
        if tries_between:
            fail(storage, broadcast_id, person_id, "20429", hour if tries_between == 1 else None)
        storage.recipients.apply_callback(broadcast_id, person_id, told, "0", "SM1")
        assert state(storage, broadcast_id, person_id)[0] == told
        assert states(storage, broadcast_id) == {told: 1}
        assert storage.recipients.due_shards(broadcast_id, NOON + DAY) == []
        storage.recipients.apply_callback(broadcast_id, person_id, RecipientState.READ, "0", "SM1")
        assert states(storage, broadcast_id) == {"read": 1}
        assert storage.recipients.counts(broadcast_id)["accepted"] == 1
        assert storage.recipients.counts(broadcast_id).get("failed:20429", 0) == 0


def test_marketing_that_arrived_after_all_takes_its_place_again(
    storage: BroadcastStorage, store: RedisSessionStore
) -> None:
    person_id = add(store, wants_news=True)
    broadcast_id = sent(storage, person_id, sid="SM1", definition=NEWS)
    storage.recipients.apply_callback(broadcast_id, person_id, RecipientState.FAILED, "63016", "SM1")
    assert "frequency" not in storage.recipients.would_add(keys.shard_of(person_id), [person_id], NEWS, NOON)
    storage.recipients.apply_callback(broadcast_id, person_id, RecipientState.DELIVERED, "0", "SM1")
    assert storage.recipients.would_add(keys.shard_of(person_id), [person_id], NEWS, NOON) == {"frequency": 1}


@pytest.mark.parametrize(("code", "stays"), [(63014, False), (63024, False), (21610, True)])
def test_a_failure_that_was_none_does_not_speak_against_the_person(
    storage: BroadcastStorage, store: RedisSessionStore, code: int, stays: bool
) -> None:
    person_id = add(store)
    for number in (1, 2):
        storage.suppressions.suppress_after(3, f"{number}" * 24, person_id, 63024)
    broadcast_id = sent(storage, person_id, sid="SM1")
    storage.recipients.apply_callback(broadcast_id, person_id, RecipientState.FAILED, str(code), "SM1")
    if code == 63024:
        storage.suppressions.suppress_after(3, broadcast_id, person_id, code)
    else:
        storage.suppressions.suppress(person_id, code)
    assert storage.recipients.would_add(keys.shard_of(person_id), [person_id], TEXT, NOON) == {"suppressed": 1}
    storage.recipients.apply_callback(broadcast_id, person_id, RecipientState.DELIVERED, "0", "SM1")
    expected = {"suppressed": 1} if stays else {"pending": 1}
    assert storage.recipients.would_add(keys.shard_of(person_id), [person_id], TEXT, NOON) == expected


RANK = {"sending": 1, "uncertain": 1, "sent": 2, "failed": 3, "delivered": 4, "read": 5}
EVENTS = st.lists(st.sampled_from(["sent", "delivered", "read", "failed", "record", "lost"]), min_size=1, max_size=8)


@given(events=EVENTS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_told_in_whatever_order_no_recipient_moves_backwards(
    storage: BroadcastStorage, store: RedisSessionStore, events: list[str]
) -> None:
    person_id = add(store, sender_of(next(_numbers)))
    broadcast_id = claimed(storage, person_id)
    before = "sending"
    for event in events:
        match event:
            case "record":
                storage.recipients.record_send(broadcast_id, person_id, RecipientState.SENT, message_sid="SM1")
            case "lost":
                storage.recipients.mark_uncertain(broadcast_id, NOON)
            case _:
                storage.recipients.apply_callback(broadcast_id, person_id, RecipientState(event), "63003", "SM1")
        after, _ = state(storage, broadcast_id, person_id)
        assert RANK[after] > RANK[before] or after == before or {before, after} == {"sending", "uncertain"}
        assert states(storage, broadcast_id) == {after: 1}
        before = after
    counts = storage.recipients.counts(broadcast_id)
    assert counts.get("accepted", 0) == int(any(event != "lost" for event in events))
    assert counts.get("failed:63003", 0) == int(before == "failed")
    assert storage.recipients.in_flight(broadcast_id) == int(before == "sending")


MANY = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["claim", "record", "sent", "delivered", "read", "failed", "held back", "lost", "again"]),
    ),
    max_size=40,
)


@given(events=MANY)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_sum_of_all_states_is_the_number_of_recipients(
    storage: BroadcastStorage, store: RedisSessionStore, events: list[tuple[int, str]]
) -> None:
    people = [add(store, sender_of(next(_numbers))) for _ in range(4)]
    broadcast_id = with_recipients(storage, *people)
    accepted = 0
    for number, (which, event) in enumerate(events):
        person_id, sid = people[which], f"SM{number // 4}"
        match event:
            case "claim":
                storage.recipients.claim(broadcast_id, person_id, TEXT, NOON + DAY - HOUR)
            case "record":
                storage.recipients.record_send(broadcast_id, person_id, RecipientState.SENT, message_sid=sid)
            case "held back":
                storage.recipients.apply_callback(
                    broadcast_id, person_id, RecipientState.FAILED, "63018", sid, RetryPlan((NOON,))
                )
            case "lost":
                storage.recipients.mark_uncertain(broadcast_id, NOON + DAY)
            case "again":
                storage.recipients.send_again(broadcast_id, person_id, NOON)
            case _:
                storage.recipients.apply_callback(broadcast_id, person_id, RecipientState(event), "0", sid)
        counts = storage.recipients.counts(broadcast_id)
        by_state = {one.value: counts.get(one, 0) for one in RecipientState}
        found = [recipient.state.value for recipient in by_person(storage, broadcast_id).values()]
        assert by_state == {one.value: found.count(one.value) for one in RecipientState}
        assert accepted <= counts.get("accepted", 0) <= 4
        accepted = counts.get("accepted", 0)


def test_nobody_can_be_recognised_in_what_a_broadcast_keeps(
    storage: BroadcastStorage, store: RedisSessionStore, client: AnyRedis
) -> None:
    sent(storage, add(store))
    names = list(client.scan_iter())
    assert len(names) > 3
    for key in names:
        assert b"9876543210" not in key
        assert b"9876543210" not in (client.dump(key) or b"")


def test_without_redis_every_method_says_so() -> None:
    recipients, person_id = without_redis().recipients, "0" * 32
    assert_each_is_unavailable(
        [
            lambda: recipients.add("x", 0, [person_id], TEXT, NOON),
            lambda: recipients.would_add(0, [person_id], TEXT, NOON),
            lambda: recipients.counts("x"),
            lambda: list(recipients.all("x")),
            lambda: recipients.due_shards("x", NOON),
            lambda: recipients.in_flight("x"),
            lambda: recipients.candidates("x", 0, 1, NOON),
            lambda: recipients.claim("x", person_id, TEXT, NOON),
            lambda: recipients.release_claim("x", person_id, NOON),
            lambda: recipients.record_send("x", person_id, RecipientState.SENT),
            lambda: recipients.apply_callback("x", person_id, RecipientState.SENT, "", "SM1"),
            lambda: recipients.postpone("x", person_id, NOON),
            lambda: recipients.mark_uncertain("x", NOON),
            lambda: recipients.send_again("x", person_id, NOON),
        ]
    )
