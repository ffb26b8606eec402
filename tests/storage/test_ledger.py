"""What the ledger of broadcasts promises, run against each server that it may stand on."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RowState
from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis, connect
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.keys import SHARDS
from onboarding_bot.storage.ledger import BATCH, Again, Ledger, Row
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from tests.broadcasts.people import add, add_many, sender_of
from tests.fakes import NOON
from tests.servers import free_port
from tests.storage.conftest import KEYS

S = BroadcastStatus
TEXT = Definition(message="The fair opens on Monday.")
TEMPLATE = Definition(content_sid="HX" + "a" * 32)
NEWS = Definition(message="New buyers near you!", purpose=Purpose.MARKETING)
NEWS_TEMPLATE = Definition(content_sid="HX" + "b" * 32, purpose=Purpose.MARKETING)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def created(ledger: Ledger, definition: Definition = TEXT, at: datetime = NOON) -> str:
    broadcast_id, _ = ledger.create(definition, at, None)
    ledger.move(broadcast_id, S.SENDING, [S.COUNTING])
    return broadcast_id


def enrolled(ledger: Ledger, *people: str, definition: Definition = TEXT, at: datetime = NOON) -> str:
    """A broadcast with a row for each of these people."""
    broadcast_id = created(ledger, definition, at)
    for person_id in people:
        enrol(ledger, broadcast_id, person_id, definition, at)
    return broadcast_id


def enrol(ledger: Ledger, broadcast_id: str, person_id: str, definition: Definition, at: datetime) -> None:
    """Put one person into the audience, and make the row."""
    shard = keys.shard_of(person_id)
    ledger._client.zadd(keys.in_shard(shard, broadcast_id, "audience"), {person_id: 1})
    ledger.enrol(broadcast_id, shard, [person_id], definition, at)


def claimed(ledger: Ledger, person_id: str, definition: Definition = TEXT, at: datetime = NOON) -> str:
    """A broadcast with one row, whose message is on its way."""
    broadcast_id = enrolled(ledger, person_id, definition=definition, at=at)
    assert ledger.claim(broadcast_id, person_id, definition, at)
    return broadcast_id


def sent(ledger: Ledger, person_id: str, definition: Definition = TEXT, at: datetime = NOON, sid: str = "SM1") -> str:
    broadcast_id = claimed(ledger, person_id, definition, at)
    ledger.record(broadcast_id, person_id, RowState.SENT, message_sid=sid)
    return broadcast_id


def rows(ledger: Ledger, broadcast_id: str) -> dict[str, Row]:
    return {row.person_id: row for batch in ledger.rows(broadcast_id) for row in batch}


def state(ledger: Ledger, broadcast_id: str, person_id: str) -> tuple[str, str]:
    row = rows(ledger, broadcast_id)[person_id]
    return row.state.value, row.code


def states(ledger: Ledger, broadcast_id: str) -> dict[str, int]:
    counts = ledger.counts(broadcast_id)
    return {one.value: counts[one] for one in RowState if counts.get(one)}


def at_once(work: Callable[[], Any], times: int = 8) -> list[Any]:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == times
    return results


# --- broadcasts ----------------------------------------------------------------------------------------------------


def test_what_was_created_is_found(ledger: Ledger) -> None:
    definition = Definition(message="नमस्ते", target_step=OnboardingStep.PHONE, schedule_at=NOON + DAY)
    broadcast_id, is_same = ledger.create(definition, NOON, None)
    found = ledger.find(broadcast_id)
    assert is_same
    assert found is not None
    assert (found.id, found.definition, found.status) == (broadcast_id, definition, S.SCHEDULED)
    assert (found.created_at, found.reason, found.is_counted) == (NOON, "", False)
    assert ledger.active() == [broadcast_id]


def test_nobody_knows_a_broadcast_that_there_is_not(ledger: Ledger) -> None:
    assert ledger.find("0" * 24) is None
    assert ledger.find_by_key("never used") is None
    assert ledger.counts("0" * 24) == {}
    assert ledger.active() == ledger.newest(0, 10) == []


def test_the_same_key_and_definition_are_the_same_broadcast(ledger: Ledger) -> None:
    first = ledger.create(TEXT, NOON, "key")
    assert ledger.create(TEXT, NOON + HOUR, "key") == first
    assert ledger.find_by_key("key") == first[0]
    assert ledger.newest(0, 10) == ledger.active() == [first[0]]


def test_another_definition_with_that_key_changes_nothing(ledger: Ledger) -> None:
    first, _ = ledger.create(TEXT, NOON, "key")
    assert ledger.create(TEMPLATE, NOON, "key") == (first, False)
    assert ledger.newest(0, 10) == [first]
    found = ledger.find(first)
    assert found is not None
    assert found.definition == TEXT


def test_without_a_key_every_call_is_a_broadcast(ledger: Ledger) -> None:
    assert ledger.create(TEXT, NOON, None)[0] != ledger.create(TEXT, NOON, None)[0]


def test_a_key_used_many_times_at_once_makes_one_broadcast(ledger: Ledger) -> None:
    assert len(set(at_once(lambda: ledger.create(TEXT, NOON, "key")))) == 1
    assert len(ledger.newest(0, 10)) == 1


def test_a_key_is_remembered_for_a_week(ledger: Ledger, client: AnyRedis) -> None:
    ledger.create(TEXT, NOON, "key")
    assert 6 * 86_400 < client.ttl(keys.idempotency("key")) <= 7 * 86_400


def test_the_newest_come_first_and_in_pages(ledger: Ledger) -> None:
    ids = [ledger.create(TEXT, NOON + number * SECOND, None)[0] for number in range(5)]
    assert ledger.newest(0, 2) == [ids[4], ids[3]]
    assert ledger.newest(4, 2) == [ids[0]]


def test_a_broadcast_moves_only_from_where_it_may(ledger: Ledger) -> None:
    broadcast_id, _ = ledger.create(TEXT, NOON, None)
    assert ledger.move(broadcast_id, S.PAUSED, [S.SENDING], "no") == (S.COUNTING, False)
    assert ledger.move(broadcast_id, S.PAUSED, [S.SENDING, S.COUNTING], "by hand") == (S.COUNTING, True)
    found = ledger.find(broadcast_id)
    assert found is not None
    assert (found.status, found.reason) == (S.PAUSED, "by hand")


@pytest.mark.parametrize("final", [S.STOPPED, S.CANCELLED, S.COMPLETED])
def test_what_is_over_is_looked_after_until_it_is_retired(ledger: Ledger, final: S) -> None:
    broadcast_id = created(ledger)
    ledger.move(broadcast_id, final, [S.SENDING])
    assert ledger.active() == [broadcast_id]
    ledger.retire(broadcast_id, final)
    assert ledger.active() == []


def test_what_goes_on_again_meanwhile_is_not_retired(ledger: Ledger) -> None:
    broadcast_id = created(ledger)
    ledger.move(broadcast_id, S.COMPLETED, [S.SENDING])
    ledger.retire(broadcast_id, S.COMPLETED)
    ledger.reopen(broadcast_id)
    ledger.retire(broadcast_id, S.COMPLETED)
    assert ledger.active() == [broadcast_id]


def test_only_a_completed_broadcast_is_reopened(ledger: Ledger) -> None:
    broadcast_id = created(ledger)
    ledger.move(broadcast_id, S.CANCELLED, [S.SENDING])
    ledger.reopen(broadcast_id)
    found = ledger.find(broadcast_id)
    assert found is not None
    assert found.status is S.CANCELLED


def test_metas_judgement_on_a_template_goes_before_the_admins(ledger: Ledger) -> None:
    broadcast_id = created(ledger, TEMPLATE)
    ledger.note(broadcast_id, is_marketing=1)
    found = ledger.find(broadcast_id)
    assert found is not None
    assert found.definition.purpose is Purpose.MARKETING


# --- the audience --------------------------------------------------------------------------------------------------


def audience_of(ledger: Ledger, broadcast_id: str) -> list[str]:
    return [
        person_id
        for shard in range(SHARDS)
        for offset in itertools.takewhile(
            lambda offset, shard=shard: ledger.audience(broadcast_id, shard, offset),  # type: ignore[misc]
            itertools.count(0, BATCH),
        )
        for person_id in ledger.audience(broadcast_id, shard, offset)
    ]


def test_the_audience_of_a_step_are_its_living_sessions(ledger: Ledger, store: RedisSessionStore) -> None:
    here = add_many(store, 5, step=OnboardingStep.PHONE)
    add_many(store, 3, first=10, step=OnboardingStep.NAME)
    add_many(store, 3, first=20, step=OnboardingStep.PHONE, wrote_at=NOON - DAY)
    broadcast_id = created(ledger)
    assert ledger.copy_audience(broadcast_id, OnboardingStep.PHONE, NOON) == 5
    assert sorted(audience_of(ledger, broadcast_id)) == sorted(here)


def test_without_a_step_it_is_everybody_who_ever_wrote(ledger: Ledger, store: RedisSessionStore) -> None:
    everybody = add_many(store, 5) + add_many(store, 5, first=10, wrote_at=NOON - 60 * DAY)
    broadcast_id = created(ledger)
    assert ledger.copy_audience(broadcast_id, None, NOON) == 10
    assert sorted(audience_of(ledger, broadcast_id)) == sorted(everybody)


def test_people_who_move_on_meanwhile_are_neither_missed_nor_doubled(ledger: Ledger, store: RedisSessionStore) -> None:
    people = add_many(store, 20, step=OnboardingStep.NAME)
    broadcast_id = created(ledger)
    ledger.copy_audience(broadcast_id, OnboardingStep.NAME, NOON)
    add_many(store, 20, step=OnboardingStep.SECTOR)
    add_many(store, 5, first=50, step=OnboardingStep.NAME)
    assert sorted(audience_of(ledger, broadcast_id)) == sorted(people)


def test_an_audience_is_fixed_once(ledger: Ledger, store: RedisSessionStore) -> None:
    """Two sweepers for a moment: the slower one must not change what rows are being made from."""
    people = add_many(store, 5)
    broadcast_id = created(ledger)
    ledger.copy_audience(broadcast_id, None, NOON)
    shards = {keys.shard_of(person_id) for person_id in people}
    others = [n for n in range(100, 400) if keys.shard_of(KEYS.person_id(sender_of(n))) in shards][:5]
    for number in others:
        add(store, sender_of(number))
    assert ledger.copy_audience(broadcast_id, None, NOON + HOUR) == 5
    assert sorted(audience_of(ledger, broadcast_id)) == sorted(people)


def test_batches_stay_small_however_many_there_are(ledger: Ledger, client: AnyRedis) -> None:
    """Nothing ever holds all people of a shard at once; rows come as the server hands them out."""
    people = {f"00000000{number:024x}": NOON.timestamp() * 1000 for number in range(3 * BATCH)}
    client.zadd(keys.contacts_of(0), people)
    broadcast_id = created(ledger)
    assert ledger.copy_audience(broadcast_id, None, NOON) == 3 * BATCH
    living = list(ledger.living_audience(0, None, NOON))
    assert [len(batch) for batch in living] == [BATCH] * 3
    for offset in (0, BATCH, 2 * BATCH):
        batch = ledger.audience(broadcast_id, 0, offset)
        assert len(batch) == BATCH
        ledger.enrol(broadcast_id, 0, batch, TEXT, NOON)
    assert ledger.audience(broadcast_id, 0, 3 * BATCH) == []
    found = list(ledger.rows(broadcast_id))
    assert max(len(batch) for batch in found) < 2 * BATCH
    assert len({row.person_id for batch in found for row in batch}) == 3 * BATCH


def test_contacts_are_read_for_filters_and_files(ledger: Ledger, store: RedisSessionStore, client: AnyRedis) -> None:
    person_id = add(store, answers={"sector": "Retail"})
    (contact,) = ledger.contacts([person_id])
    assert contact is not None
    assert contact.draft is not None
    assert contact.draft.data == {"sector": "Retail"}
    client.delete(KEYS.contact(person_id))
    assert ledger.contacts([person_id]) == [None]
    assert ledger.contacts([]) == []


def test_the_progress_of_each_shard_is_remembered(ledger: Ledger) -> None:
    broadcast_id = created(ledger)
    assert ledger.progress(broadcast_id, 7) == 0
    ledger.set_progress(broadcast_id, 7, 500, is_done=False)
    ledger.set_progress(broadcast_id, 8, 3, is_done=True)
    assert ledger.progress(broadcast_id, 7) == 500
    assert ledger.shards_not_enrolled(broadcast_id) == [shard for shard in range(SHARDS) if shard != 8]


# --- who is written to ---------------------------------------------------------------------------------------------


def marketing_sent(ledger: Ledger, store: RedisSessionStore, *days_ago: int, **who: Any) -> str:
    """Somebody who wants news, and got some already."""
    person_id = add(store, wants_news=True, wrote_at=NOON - 30 * DAY, **who)
    for days in sorted(days_ago, reverse=True):
        sent(ledger, person_id, NEWS_TEMPLATE, NOON - days * DAY)
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
def test_who_gets_a_row_that_waits(
    ledger: Ledger, store: RedisSessionStore, definition: Definition, who: dict[str, Any], expected: str
) -> None:
    person_id = add(store, **who)
    counted = ledger.classify(keys.shard_of(person_id), [person_id], definition, NOON)
    counted.pop("outside", None)
    assert counted == {expected: 1}
    broadcast_id = enrolled(ledger, person_id, definition=definition)
    expected_row = ("pending", "") if expected == "pending" else ("skipped", expected)
    assert state(ledger, broadcast_id, person_id) == expected_row
    assert ledger.counts(broadcast_id).get(f"skipped:{expected}", 0) == int(expected != "pending")


@pytest.mark.parametrize(("definition", "who", "expected"), CASES)
def test_the_last_word_is_spoken_immediately_before_the_call(
    ledger: Ledger,
    store: RedisSessionStore,
    client: AnyRedis,
    definition: Definition,
    who: dict[str, Any],
    expected: str,
) -> None:
    """When the row was made everything was well."""
    person_id = add(store, wants_news=True)
    broadcast_id = enrolled(ledger, person_id, definition=definition)
    assert state(ledger, broadcast_id, person_id) == ("pending", "")
    add(store, **who)
    claim = ledger.claim(broadcast_id, person_id, definition, NOON)
    if expected == "pending":
        assert isinstance(claim, Contact)
        assert state(ledger, broadcast_id, person_id) == ("sending", "")
    else:
        assert claim is None
        assert state(ledger, broadcast_id, person_id) == ("skipped", expected)
        assert ledger.counts(broadcast_id)[f"skipped:{expected}"] == 1


def test_the_window_closes_while_the_row_waits(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = enrolled(ledger, person_id)
    assert ledger.claim(broadcast_id, person_id, TEXT, NOON + WINDOW) is None
    assert state(ledger, broadcast_id, person_id) == ("skipped", "outside_window")


def test_a_suppressed_person_is_left_out(ledger: Ledger, store: RedisSessionStore) -> None:
    before, after = add(store, sender_of(1)), add(store, sender_of(2))
    broadcast_id = enrolled(ledger, after)
    ledger.suppress(before, 21610)
    ledger.suppress(after, 63014)
    enrol(ledger, broadcast_id, before, TEXT, NOON)
    assert ledger.claim(broadcast_id, after, TEXT, NOON) is None
    assert state(ledger, broadcast_id, before) == state(ledger, broadcast_id, after) == ("skipped", "suppressed")


def test_a_person_whose_record_is_gone_is_left_out(ledger: Ledger, store: RedisSessionStore, client: AnyRedis) -> None:
    person_id = add(store)
    broadcast_id = enrolled(ledger, person_id)
    client.delete(KEYS.contact(person_id))
    assert ledger.claim(broadcast_id, person_id, TEXT, NOON) is None
    assert state(ledger, broadcast_id, person_id)[0] == "skipped"


def test_a_person_whose_record_nobody_can_read_has_failed(
    ledger: Ledger, store: RedisSessionStore, client: AnyRedis
) -> None:
    person_id = add(store)
    broadcast_id = enrolled(ledger, person_id)
    client.set(KEYS.contact(person_id), b"\x01scrambled beyond repair, and long enough")
    with structlog.testing.capture_logs():
        assert ledger.claim(broadcast_id, person_id, TEXT, NOON) is None
    assert state(ledger, broadcast_id, person_id) == ("failed", "unreadable")


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
    ledger: Ledger, store: RedisSessionStore, days_ago: list[int], expected: str
) -> None:
    person_id = marketing_sent(ledger, store, *days_ago)
    shard = keys.shard_of(person_id)
    assert ledger.classify(shard, [person_id], NEWS_TEMPLATE, NOON).get(expected) == 1
    assert ledger.classify(shard, [person_id], TEMPLATE, NOON)["pending"] == 1, "service is not held up by it"


def test_two_marketing_broadcasts_at_once_are_one_message(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store, wants_news=True)
    both = [enrolled(ledger, person_id, definition=NEWS) for _ in range(2)]
    claims = [ledger.claim(broadcast_id, person_id, NEWS, NOON) for broadcast_id in both]
    assert [claim is not None for claim in claims] == [True, False]
    assert state(ledger, both[1], person_id) == ("skipped", "frequency")


def may_get_news(ledger: Ledger, person_id: str, at: datetime = NOON) -> bool:
    return "pending" in ledger.classify(keys.shard_of(person_id), [person_id], NEWS_TEMPLATE, at)


def test_marketing_that_did_not_arrive_does_not_count(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = marketing_sent(ledger, store, 3)
    broadcast_id = claimed(ledger, person_id, NEWS_TEMPLATE)
    assert not may_get_news(ledger, person_id)
    ledger.record(broadcast_id, person_id, RowState.FAILED, code="63016")
    assert may_get_news(ledger, person_id)
    refused = sent(ledger, person_id, NEWS_TEMPLATE)
    ledger.apply_callback(refused, person_id, RowState.FAILED, "63049", "SM1")
    assert may_get_news(ledger, person_id)
    sent(ledger, person_id, NEWS_TEMPLATE)
    assert not may_get_news(ledger, person_id, NOON + 2 * DAY), "three days ago and now are two this week"


@pytest.mark.parametrize("end", [RowState.FAILED, RowState.SENT])
def test_another_message_that_failed_gives_no_marketing_back(
    ledger: Ledger, store: RedisSessionStore, end: RowState
) -> None:
    person_id = add(store, wants_news=True)
    sent(ledger, person_id, NEWS)
    service = claimed(ledger, person_id, TEXT)
    ledger.record(service, person_id, end, code="63016", message_sid="SM2")
    ledger.apply_callback(service, person_id, RowState.FAILED, "63016", "SM2")
    assert not may_get_news(ledger, person_id)


def test_marketing_that_may_be_out_counts(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store, wants_news=True)
    broadcast_id = claimed(ledger, person_id, NEWS)
    ledger.record(broadcast_id, person_id, RowState.UNCERTAIN)
    assert not may_get_news(ledger, person_id)


def test_enrolling_twice_changes_nothing(ledger: Ledger, store: RedisSessionStore) -> None:
    """A worker that died in the middle is followed by one that begins its batch anew."""
    waits, skipped, on_its_way = add(store, sender_of(1)), add(store, sender_of(2), has_stopped=True), add(store)
    broadcast_id = enrolled(ledger, waits, skipped, on_its_way)
    ledger.claim(broadcast_id, on_its_way, TEXT, NOON)
    before = rows(ledger, broadcast_id), ledger.counts(broadcast_id)
    for person_id in (waits, skipped, on_its_way):
        enrol(ledger, broadcast_id, person_id, TEXT, NOON + HOUR)
    assert (rows(ledger, broadcast_id), ledger.counts(broadcast_id)) == before
    assert ledger.claim(broadcast_id, on_its_way, TEXT, NOON) is None


def test_counting_writes_nothing(ledger: Ledger, store: RedisSessionStore, client: AnyRedis) -> None:
    person_id = add(store, wrote_at=LATE, wants_news=True)
    before = sorted(client.keys())
    counted = ledger.classify(keys.shard_of(person_id), [person_id], TEMPLATE, NOON)
    assert counted == {"pending": 1, "outside": 1}
    assert sorted(client.keys()) == before
    assert ledger.classify(0, [], TEMPLATE, NOON) == {}


# --- sending -------------------------------------------------------------------------------------------------------


def test_a_row_is_claimed_exactly_once(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = enrolled(ledger, person_id)
    claims = at_once(lambda: ledger.claim(broadcast_id, person_id, TEXT, NOON))
    assert [claim.address for claim in claims if claim] == ["whatsapp:+919876543210"]
    assert states(ledger, broadcast_id) == {"sending": 1}


def test_candidates_are_those_whose_time_has_come(ledger: Ledger, store: RedisSessionStore) -> None:
    inside, outside = add(store, wants_news=True), add(store, sender_of(1), wrote_at=LATE, wants_news=True)
    broadcast_id = enrolled(ledger, inside, outside, definition=TEMPLATE)
    found = {
        candidate.person_id: (candidate.wrote_lately, candidate.is_first_try)
        for shard in ledger.due_shards(broadcast_id, NOON)
        for candidate in ledger.candidates(broadcast_id, shard, 16, NOON)
    }
    assert found == {inside: (True, True), outside: (False, True)}
    ledger.postpone(broadcast_id, inside, NOON + HOUR)
    assert ledger.due_shards(broadcast_id, NOON) == [keys.shard_of(outside)]
    assert ledger.candidates(broadcast_id, keys.shard_of(inside), 16, NOON) == []
    assert sorted(ledger.due_shards(broadcast_id, NOON + HOUR)) == sorted(map(keys.shard_of, [inside, outside]))


def test_a_row_that_is_tried_again_is_no_first_try(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = claimed(ledger, person_id)
    ledger.record(broadcast_id, person_id, RowState.FAILED, code="20429", again=Again((NOON,), "retries"))
    (candidate,) = ledger.candidates(broadcast_id, keys.shard_of(person_id), 16, NOON)
    assert not candidate.is_first_try


def test_somebody_who_was_claimed_meanwhile_is_not_postponed(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = claimed(ledger, person_id)
    ledger.postpone(broadcast_id, person_id, NOON)
    assert ledger.due_shards(broadcast_id, NOON) == []


def test_a_message_on_its_way_is_in_flight_until_it_is_written_down(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = claimed(ledger, person_id)
    assert (states(ledger, broadcast_id), ledger.in_flight(broadcast_id)) == ({"sending": 1}, 1)
    ledger.record(broadcast_id, person_id, RowState.SENT, message_sid="SM1")
    assert (states(ledger, broadcast_id), ledger.in_flight(broadcast_id)) == ({"sent": 1}, 0)
    assert ledger.counts(broadcast_id)["accepted"] == 1
    row = rows(ledger, broadcast_id)[person_id]
    assert (row.message_sid, row.tries) == ("SM1", 1)


def test_a_row_without_its_worker_becomes_uncertain_and_is_not_sent_again(
    ledger: Ledger, store: RedisSessionStore
) -> None:
    lost, young = add(store), add(store, sender_of(1))
    broadcast_id = enrolled(ledger, lost, young)
    ledger.claim(broadcast_id, lost, TEXT, NOON)
    ledger.claim(broadcast_id, young, TEXT, NOON + 20 * SECOND)
    assert ledger.mark_uncertain(broadcast_id, NOON + SECOND) == 1
    assert state(ledger, broadcast_id, lost) == ("uncertain", "")
    assert state(ledger, broadcast_id, young) == ("sending", "")
    assert ledger.claim(broadcast_id, lost, TEXT, NOON) is None
    assert ledger.due_shards(broadcast_id, NOON + DAY) == []
    assert ledger.mark_uncertain(broadcast_id, NOON + SECOND) == 0


@pytest.mark.parametrize("told", [RowState.SENT, RowState.DELIVERED, RowState.READ, RowState.FAILED])
def test_a_later_callback_resolves_an_uncertain_row(ledger: Ledger, store: RedisSessionStore, told: RowState) -> None:
    person_id = add(store)
    broadcast_id = claimed(ledger, person_id)
    ledger.record(broadcast_id, person_id, RowState.UNCERTAIN)
    assert ledger.apply_callback(broadcast_id, person_id, told, "", "SM1") == (RowState.UNCERTAIN, told)
    assert ledger.counts(broadcast_id)["accepted"] == 1


def test_a_worker_that_was_only_slow_resolves_it_too(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = claimed(ledger, person_id)
    ledger.mark_uncertain(broadcast_id, NOON)
    ledger.record(broadcast_id, person_id, RowState.SENT, message_sid="SM1")
    assert states(ledger, broadcast_id) == {"sent": 1}


def test_only_an_uncertain_row_is_sent_again_and_only_by_an_admin(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = enrolled(ledger, person_id)

    def again() -> bool:
        return ledger.send_again(broadcast_id, rows(ledger, broadcast_id)[person_id], NOON)

    assert not again()
    ledger.claim(broadcast_id, person_id, TEXT, NOON)
    assert not again()
    ledger.record(broadcast_id, person_id, RowState.UNCERTAIN)
    assert again()
    assert states(ledger, broadcast_id) == {"pending": 1}
    assert ledger.claim(broadcast_id, person_id, TEXT, NOON)
    ledger.record(broadcast_id, person_id, RowState.SENT, message_sid="SM1")
    assert not again()
    assert not ledger.send_again(broadcast_id, Row("f" * 32, RowState.UNCERTAIN, "", "", 1), NOON)


@pytest.mark.parametrize("told", [RowState.SENT, RowState.DELIVERED, RowState.READ])
@pytest.mark.parametrize("is_known", [True, False], ids=["sent again", "of a restored backup"])
def test_who_got_the_message_while_the_row_waits_does_not_get_another(
    ledger: Ledger, store: RedisSessionStore, told: RowState, *, is_known: bool
) -> None:
    person_id = add(store)
    broadcast_id = enrolled(ledger, person_id)
    if is_known:
        ledger.claim(broadcast_id, person_id, TEXT, NOON)
        ledger.record(broadcast_id, person_id, RowState.UNCERTAIN)
        ledger.send_again(broadcast_id, rows(ledger, broadcast_id)[person_id], NOON)
    assert ledger.apply_callback(broadcast_id, person_id, told, "", "SM1") == (RowState.PENDING, told)
    assert ledger.claim(broadcast_id, person_id, TEXT, NOON) is None
    assert states(ledger, broadcast_id) == {told.value: 1}
    assert ledger.due_shards(broadcast_id, NOON + DAY) == []


def test_a_row_waits_on_when_the_message_failed_that_it_does_not_know(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = enrolled(ledger, person_id)
    assert ledger.apply_callback(broadcast_id, person_id, RowState.FAILED, "63003", "SM1") == (RowState.PENDING,) * 2
    assert ledger.claim(broadcast_id, person_id, TEXT, NOON)


def test_marketing_is_not_in_its_own_way_when_it_is_sent_again(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store, wants_news=True)
    broadcast_id = claimed(ledger, person_id, NEWS)
    ledger.record(broadcast_id, person_id, RowState.UNCERTAIN)
    ledger.send_again(broadcast_id, rows(ledger, broadcast_id)[person_id], NOON)
    assert ledger.claim(broadcast_id, person_id, NEWS, NOON)


def test_a_claim_that_is_put_back_leaves_no_trace(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store, wants_news=True)
    broadcast_id = enrolled(ledger, person_id, definition=NEWS)
    assert ledger.claim(broadcast_id, person_id, NEWS, NOON)
    ledger.put_back(broadcast_id, person_id, NOON)
    row = rows(ledger, broadcast_id)[person_id]
    assert replace(row, changed_at=None) == Row(person_id, RowState.PENDING, "", "", 0)
    assert (states(ledger, broadcast_id), ledger.in_flight(broadcast_id)) == ({"pending": 1}, 0)
    assert ledger.claim(broadcast_id, person_id, NEWS, NOON), "its marketing message of the day is not used up"


def test_only_what_is_being_sent_is_put_back(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = sent(ledger, person_id)
    ledger.put_back(broadcast_id, person_id, NOON)
    assert states(ledger, broadcast_id) == {"sent": 1}


# --- reading rows --------------------------------------------------------------------------------------------------


def test_each_row_is_read_once_while_others_are_made(ledger: Ledger, client: AnyRedis) -> None:
    """The hash of the rows grows from one batch to the next, which would show a scan some of them twice."""
    people = [f"{7:08x}{number:024x}" for number in range(3 * BATCH)]
    client.zadd(keys.contacts_of(7), dict.fromkeys(people, 1))
    broadcast_id = created(ledger)
    ledger.copy_audience(broadcast_id, None, NOON)
    ledger.enrol(broadcast_id, 7, people[: BATCH + 1], TEXT, NOON)
    read: list[str] = []
    for batch in ledger.rows(broadcast_id):
        assert len(batch) <= BATCH
        read += [row.person_id for row in batch]
        ledger.enrol(broadcast_id, 7, people[len(read) : len(read) + BATCH], TEXT, NOON)
    assert len(set(read)) == len(read)
    assert set(read) >= set(people[: BATCH + 1])
    assert sorted(rows(ledger, broadcast_id)) == people


def test_a_row_knows_when_it_was_accepted_and_when_it_changed(ledger: Ledger, store: RedisSessionStore) -> None:
    """By Redis's own clock, as everything that several workers have to agree on."""
    person_id = add(store)
    broadcast_id = claimed(ledger, person_id)
    claimed_row = rows(ledger, broadcast_id)[person_id]
    assert claimed_row.accepted_at is None
    assert claimed_row.changed_at is not None
    ledger.record(broadcast_id, person_id, RowState.SENT, message_sid="SM1")
    sent_row = rows(ledger, broadcast_id)[person_id]
    assert sent_row.accepted_at == sent_row.changed_at >= claimed_row.changed_at
    time.sleep(0.002)
    ledger.apply_callback(broadcast_id, person_id, RowState.DELIVERED, "", "SM1")
    told = rows(ledger, broadcast_id)[person_id]
    assert told.accepted_at == sent_row.accepted_at
    assert told.changed_at is not None
    assert told.changed_at > sent_row.changed_at


@pytest.mark.parametrize("accepted", [0, 1])
def test_a_row_of_an_older_release_is_read_and_moved(
    ledger: Ledger, store: RedisSessionStore, client: AnyRedis, accepted: int
) -> None:
    person_id = add(store)
    broadcast_id = claimed(ledger, person_id)
    state_before, sid = ("sent", "SM1") if accepted else ("sending", "")
    name = keys.in_shard(keys.shard_of(person_id), broadcast_id, "rows")
    client.hset(name, person_id, f"{state_before}||{sid}|1|{accepted}|0|0| SM0")
    assert rows(ledger, broadcast_id)[person_id] == Row(person_id, RowState(state_before), "", sid, 1)
    ledger.apply_callback(broadcast_id, person_id, RowState.DELIVERED, "", "SM1")
    row = rows(ledger, broadcast_id)[person_id]
    assert (row.state, row.message_sid, row.tries) == (RowState.DELIVERED, "SM1", 1)
    assert (row.accepted_at is None) is (accepted == 1)
    assert row.changed_at is not None
    assert ledger.counts(broadcast_id).get("accepted", 0) == 1 - accepted
    assert ledger.apply_callback(broadcast_id, person_id, RowState.READ, "", "SM0") is not None
    assert state(ledger, broadcast_id, person_id) == ("delivered", ""), "that was an earlier message"


def test_a_schedule_is_found_in_time_and_not_twice(ledger: Ledger, store: RedisSessionStore) -> None:
    ids = [ledger.create(TEXT, NOON, None)[0] for _ in range(20)]
    for broadcast_id in ids:
        ledger.schedule(broadcast_id, NOON + HOUR)
        ledger.schedule(broadcast_id, NOON + DAY)
    assert store.take_due(NOON, HOUR) == []
    assert sorted(store.take_due(NOON + HOUR, HOUR)) == [
        (DueWork.BROADCAST, broadcast_id) for broadcast_id in sorted(ids)
    ]
    for broadcast_id in ids:
        ledger.unschedule(broadcast_id)
    assert store.take_due(NOON + DAY, HOUR) == []


# --- failures, and trying again ------------------------------------------------------------------------------------


def fail(ledger: Ledger, broadcast_id: str, person_id: str, code: str, again: Again | None) -> str:
    """One try that ends with this error; the state after it."""
    assert ledger.claim(broadcast_id, person_id, TEXT, NOON), "it was not pending"
    ledger.record(broadcast_id, person_id, RowState.FAILED, code=code, again=again)
    return state(ledger, broadcast_id, person_id)[0]


def test_a_failure_is_counted_by_its_code(ledger: Ledger, store: RedisSessionStore) -> None:
    people = add_many(store, 3)
    broadcast_id = enrolled(ledger, *people)
    for person_id, code in zip(people, ["63016", "63016", "21211"], strict=True):
        assert fail(ledger, broadcast_id, person_id, code, None) == "failed"
    counts = ledger.counts(broadcast_id)
    assert (counts["failed"], counts["failed:63016"], counts["failed:21211"]) == (3, 2, 1)
    assert "accepted" not in counts


def test_a_row_is_put_off_as_often_as_there_are_moments(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = enrolled(ledger, person_id)
    later = Again((NOON, NOON), "later")
    ends = [fail(ledger, broadcast_id, person_id, "63049", later) for _ in range(3)]
    assert ends == ["pending", "pending", "failed"]
    assert ledger.counts(broadcast_id)["failed:63049"] == 1


def test_each_reason_to_wait_has_its_own_count(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = enrolled(ledger, person_id)
    retry, later, always = Again((NOON,), "retries"), Again((NOON,), "later"), Again((NOON,))
    ends = [fail(ledger, broadcast_id, person_id, "0", again) for again in (always, retry, later, always, always)]
    assert ends == ["pending"] * 5
    assert fail(ledger, broadcast_id, person_id, "63049", later) == "failed"


def test_a_row_waits_until_its_moment(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = enrolled(ledger, person_id)
    moments = (NOON + SECOND, NOON + HOUR)
    fail(ledger, broadcast_id, person_id, "20429", Again(moments, "retries"))
    assert ledger.due_shards(broadcast_id, NOON) == []
    assert ledger.due_shards(broadcast_id, NOON + SECOND) == [keys.shard_of(person_id)]
    fail(ledger, broadcast_id, person_id, "20429", Again(moments, "retries"))
    assert ledger.due_shards(broadcast_id, NOON + 59 * SECOND) == []


def test_a_message_that_the_daily_limit_held_back_returns_to_pending(ledger: Ledger, store: RedisSessionStore) -> None:
    """And what is still told of it afterwards does not concern the one that follows."""
    person_id = add(store)
    broadcast_id = sent(ledger, person_id, sid="SM1")
    hour = Again((NOON + HOUR,))

    def told(what: RowState, sid: str) -> str:
        ledger.apply_callback(broadcast_id, person_id, what, "63018", sid, hour)
        return state(ledger, broadcast_id, person_id)[0]

    assert told(RowState.FAILED, "SM1") == "pending"
    assert told(RowState.FAILED, "SM1") == told(RowState.SENT, "SM1") == "pending"
    assert ledger.claim(broadcast_id, person_id, TEXT, NOON + HOUR)
    assert told(RowState.DELIVERED, "SM1") == told(RowState.FAILED, "SM1") == "sending"
    ledger.record(broadcast_id, person_id, RowState.UNCERTAIN)
    assert told(RowState.DELIVERED, "SM1") == told(RowState.READ, "SM1") == "uncertain"
    ledger.record(broadcast_id, person_id, RowState.SENT, message_sid="SM2")
    assert told(RowState.READ, "SM1") == told(RowState.FAILED, "SM1") == "sent"
    assert told(RowState.FAILED, "SM2") == "pending"
    assert ledger.claim(broadcast_id, person_id, TEXT, NOON + HOUR)
    assert told(RowState.READ, "SM1") == told(RowState.READ, "SM2") == "sending"
    assert told(RowState.READ, "SM3") == "read"
    assert ledger.counts(broadcast_id)["accepted"] == 1


def test_a_callback_that_is_quicker_than_the_answer_is_not_undone(ledger: Ledger, store: RedisSessionStore) -> None:
    people = add_many(store, 3)
    broadcast_id = enrolled(ledger, *people)
    ends = {
        people[0]: (RowState.READ, None, "read"),
        people[1]: (RowState.FAILED, None, "failed"),
        people[2]: (RowState.FAILED, Again((NOON + HOUR,)), "pending"),
    }
    for person_id, (told, again, expected) in ends.items():
        ledger.claim(broadcast_id, person_id, TEXT, NOON)
        ledger.apply_callback(broadcast_id, person_id, told, "63018", "SM1", again)
        ledger.record(broadcast_id, person_id, RowState.SENT, message_sid="SM1")
        assert state(ledger, broadcast_id, person_id)[0] == expected
    assert ledger.counts(broadcast_id)["accepted"] == 3
    assert ledger.in_flight(broadcast_id) == 0


def test_nothing_is_told_of_rows_that_there_are_not(ledger: Ledger, store: RedisSessionStore, client: AnyRedis) -> None:
    skipped, stranger = add(store, has_stopped=True), "f" * 32
    broadcast_id = enrolled(ledger, skipped)
    before = sorted(client.keys())
    assert ledger.apply_callback(broadcast_id, stranger, RowState.SENT, "", "SM1") is None
    assert ledger.apply_callback("0" * 24, skipped, RowState.SENT, "", "SM1") is None
    ledger.record(broadcast_id, stranger, RowState.SENT, message_sid="SM1")
    assert ledger.apply_callback(broadcast_id, skipped, RowState.SENT, "", "SM1") == (RowState.SKIPPED,) * 2
    assert sorted(client.keys()) == before
    assert states(ledger, broadcast_id) == {"skipped": 1}


_numbers = itertools.count(1)


@pytest.mark.parametrize("told", [RowState.DELIVERED, RowState.READ])
def test_who_got_a_message_that_was_said_to_have_failed_gets_no_other(
    ledger: Ledger, store: RedisSessionStore, told: RowState
) -> None:
    """While the row waits for its next try, also after one that Twilio did not take, and after a second failure."""
    hour = Again((NOON + HOUR,))
    for tries_between in range(3):
        person_id = add(store, sender_of(next(_numbers)))
        broadcast_id = sent(ledger, person_id, sid="SM1")
        ledger.apply_callback(broadcast_id, person_id, RowState.FAILED, "63018", "SM1", hour)
        if tries_between:
            fail(ledger, broadcast_id, person_id, "20429", hour if tries_between == 1 else None)
        ledger.apply_callback(broadcast_id, person_id, told, "0", "SM1")
        assert state(ledger, broadcast_id, person_id)[0] == told
        assert states(ledger, broadcast_id) == {told: 1}
        assert ledger.due_shards(broadcast_id, NOON + DAY) == []
        ledger.apply_callback(broadcast_id, person_id, RowState.READ, "0", "SM1")
        assert states(ledger, broadcast_id) == {"read": 1}
        assert ledger.counts(broadcast_id)["accepted"] == 1
        assert ledger.counts(broadcast_id).get("failed:20429", 0) == 0


def test_marketing_that_arrived_after_all_takes_its_place_again(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store, wants_news=True)
    broadcast_id = sent(ledger, person_id, sid="SM1", definition=NEWS)
    ledger.apply_callback(broadcast_id, person_id, RowState.FAILED, "63016", "SM1")
    assert "frequency" not in ledger.classify(keys.shard_of(person_id), [person_id], NEWS, NOON)
    ledger.apply_callback(broadcast_id, person_id, RowState.DELIVERED, "0", "SM1")
    assert ledger.classify(keys.shard_of(person_id), [person_id], NEWS, NOON) == {"frequency": 1}


@pytest.mark.parametrize(("code", "stays"), [(63014, False), (63024, False), (21610, True)])
def test_a_failure_that_was_none_does_not_speak_against_the_person(
    ledger: Ledger, store: RedisSessionStore, code: int, stays: bool
) -> None:
    person_id = add(store)
    for number in (1, 2):
        ledger.count_against(f"{number}" * 24, person_id, 63024, 3)
    broadcast_id = sent(ledger, person_id, sid="SM1")
    ledger.apply_callback(broadcast_id, person_id, RowState.FAILED, str(code), "SM1")
    if code == 63024:
        ledger.count_against(broadcast_id, person_id, code, 3)
    else:
        ledger.suppress(person_id, code)
    assert ledger.classify(keys.shard_of(person_id), [person_id], TEXT, NOON) == {"suppressed": 1}
    ledger.apply_callback(broadcast_id, person_id, RowState.DELIVERED, "0", "SM1")
    expected = {"suppressed": 1} if stays else {"pending": 1}
    assert ledger.classify(keys.shard_of(person_id), [person_id], TEXT, NOON) == expected


RANK = {"sending": 1, "uncertain": 1, "sent": 2, "failed": 3, "delivered": 4, "read": 5}
EVENTS = st.lists(st.sampled_from(["sent", "delivered", "read", "failed", "record", "lost"]), min_size=1, max_size=8)


@given(events=EVENTS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_told_in_whatever_order_no_row_moves_backwards(
    ledger: Ledger, store: RedisSessionStore, events: list[str]
) -> None:
    person_id = add(store, sender_of(next(_numbers)))
    broadcast_id = claimed(ledger, person_id)
    before = "sending"
    for event in events:
        match event:
            case "record":
                ledger.record(broadcast_id, person_id, RowState.SENT, message_sid="SM1")
            case "lost":
                ledger.mark_uncertain(broadcast_id, NOON)
            case _:
                ledger.apply_callback(broadcast_id, person_id, RowState(event), "63003", "SM1")
        after, _ = state(ledger, broadcast_id, person_id)
        assert RANK[after] > RANK[before] or after == before or {before, after} == {"sending", "uncertain"}
        assert states(ledger, broadcast_id) == {after: 1}
        before = after
    counts = ledger.counts(broadcast_id)
    assert counts.get("accepted", 0) == int(any(event != "lost" for event in events))
    assert counts.get("failed:63003", 0) == int(before == "failed")
    assert ledger.in_flight(broadcast_id) == int(before == "sending")


MANY = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["claim", "record", "sent", "delivered", "read", "failed", "held back", "lost", "again"]),
    ),
    max_size=40,
)


@given(events=MANY)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_sum_of_all_states_is_the_number_of_rows(
    ledger: Ledger, store: RedisSessionStore, events: list[tuple[int, str]]
) -> None:
    people = [add(store, sender_of(next(_numbers))) for _ in range(4)]
    broadcast_id = enrolled(ledger, *people)
    accepted = 0
    for number, (which, event) in enumerate(events):
        person_id, sid = people[which], f"SM{number // 4}"
        match event:
            case "claim":
                ledger.claim(broadcast_id, person_id, TEXT, NOON + DAY - HOUR)
            case "record":
                ledger.record(broadcast_id, person_id, RowState.SENT, message_sid=sid)
            case "held back":
                ledger.apply_callback(broadcast_id, person_id, RowState.FAILED, "63018", sid, Again((NOON,)))
            case "lost":
                ledger.mark_uncertain(broadcast_id, NOON + DAY)
            case "again":
                ledger.send_again(broadcast_id, rows(ledger, broadcast_id)[person_id], NOON)
            case _:
                ledger.apply_callback(broadcast_id, person_id, RowState(event), "0", sid)
        counts = ledger.counts(broadcast_id)
        by_state = {one.value: counts.get(one, 0) for one in RowState}
        found = [row.state.value for row in rows(ledger, broadcast_id).values()]
        assert by_state == {one.value: found.count(one.value) for one in RowState}
        assert accepted <= counts.get("accepted", 0) <= 4
        accepted = counts.get("accepted", 0)


# --- suppression and STOP ------------------------------------------------------------------------------------------


def test_three_different_broadcasts_have_to_complain(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)

    def is_suppressed() -> bool:
        return "suppressed" in ledger.classify(keys.shard_of(person_id), [person_id], TEXT, NOON)

    for broadcast_id in ("a", "a", "a", "b", "b"):
        ledger.count_against(broadcast_id, person_id, 63003, 3)
        assert not is_suppressed()
    ledger.count_against("c", person_id, 63003, 3)
    assert is_suppressed()


def test_a_stop_is_counted_against_the_last_broadcast_that_wrote(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    first, last = sent(ledger, person_id), sent(ledger, person_id)
    enrolled(ledger, person_id)
    add(store, has_stopped=True)
    add(store, has_stopped=True)
    assert ledger.counts(last)["stops"] == 1
    assert "stops" not in ledger.counts(first)


def test_a_stop_of_somebody_who_never_got_a_broadcast_counts_nowhere(ledger: Ledger, store: RedisSessionStore) -> None:
    person_id = add(store)
    broadcast_id = enrolled(ledger, person_id)
    add(store, has_stopped=True)
    assert "stops" not in ledger.counts(broadcast_id)


# --- workers -------------------------------------------------------------------------------------------------------


def test_a_piece_of_work_is_taken_once(ledger: Ledger, client: AnyRedis) -> None:
    broadcast_id = created(ledger)
    assert at_once(lambda: ledger.lease(broadcast_id, 3, "pump", HOUR)).count(True) == 1
    assert ledger.lease(broadcast_id, 4, "pump", HOUR)
    assert ledger.lease(broadcast_id, 3, "enrol", HOUR)
    ledger.give_back(broadcast_id, 3, "pump")
    assert ledger.lease(broadcast_id, 3, "pump", timedelta(milliseconds=20))
    time.sleep(0.05)
    assert ledger.lease(broadcast_id, 3, "pump", SECOND), "a lease ends by itself"
    ledger.renew(broadcast_id, 3, "pump", HOUR)
    assert client.ttl(keys.in_shard(3, broadcast_id, "lease-pump")) > 3000


def test_one_worker_sweeps_at_a_time(ledger: Ledger, client: AnyRedis) -> None:
    assert ledger.become_sweeper("one", HOUR)
    assert not ledger.become_sweeper("other", HOUR)
    assert ledger.become_sweeper("one", timedelta(milliseconds=20))
    while client.exists(keys.SWEEPER):
        time.sleep(0.005)
    assert ledger.become_sweeper("other", HOUR), "a lease ends by itself"
    assert not ledger.become_sweeper("one", HOUR)


def test_nobody_can_be_recognised_in_what_a_broadcast_keeps(
    ledger: Ledger, store: RedisSessionStore, client: AnyRedis
) -> None:
    sent(ledger, add(store))
    names = list(client.scan_iter())
    assert len(names) > 3
    for key in names:
        assert b"9876543210" not in key
        assert b"9876543210" not in (client.dump(key) or b"")


def test_without_redis_every_method_says_so() -> None:
    client = connect(f"redis://127.0.0.1:{free_port()}/0", answer_seconds=0.2, retries=0)
    ledger = Ledger(client, KEYS, Sealer(Cipher([b"k" * 32])))
    person_id = "0" * 32
    row = Row(person_id, RowState.UNCERTAIN, "", "", 1)
    calls: list[Callable[[], object]] = [
        lambda: ledger.create(TEXT, NOON, "key"),
        lambda: ledger.find("0" * 24),
        lambda: ledger.find_by_key("key"),
        lambda: ledger.newest(0, 1),
        ledger.active,
        lambda: ledger.move("x", S.PAUSED, [S.SENDING]),
        lambda: ledger.retire("x", S.STOPPED),
        lambda: ledger.note("x", wave=1),
        lambda: ledger.postpone("x", person_id, NOON),
        lambda: ledger.counts("x"),
        lambda: ledger.copy_audience("x", None, NOON),
        lambda: ledger.audience("x", 0, 0),
        lambda: list(ledger.living_audience(0, None, NOON)),
        lambda: ledger.contacts([person_id]),
        lambda: ledger.enrol("x", 0, [person_id], TEXT, NOON),
        lambda: ledger.progress("x", 0),
        lambda: ledger.set_progress("x", 0, 1, is_done=True),
        lambda: ledger.shards_not_enrolled("x"),
        lambda: ledger.lease("x", 0, "pump", SECOND),
        lambda: ledger.due_shards("x", NOON),
        lambda: ledger.in_flight("x"),
        lambda: ledger.candidates("x", 0, 1, NOON),
        lambda: ledger.claim("x", person_id, TEXT, NOON),
        lambda: ledger.record("x", person_id, RowState.SENT),
        lambda: ledger.apply_callback("x", person_id, RowState.SENT, "", "SM1"),
        lambda: ledger.suppress(person_id, 21610),
        lambda: ledger.count_against("x", person_id, 63003, 3),
        lambda: ledger.mark_uncertain("x", NOON),
        lambda: list(ledger.rows("x")),
        lambda: ledger.send_again("x", row, NOON),
        lambda: ledger.become_sweeper("w", SECOND),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailableError):
            call()
