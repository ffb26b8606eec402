"""The counters of a day: moved with the turn, added up over all shards, rolled up once when the day is over."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from onboarding_bot.analytics.counter_layout import counters_in
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import SHARDS, day_of_all, day_of_shard
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.session_store import Conflict, StoredPerson
from tests.fakes import NOON
from tests.storage.broadcasts import KEYS
from tests.storage.test_conformance import a_contact, a_session

DAY = timedelta(days=1)
CLOCKS_APART = timedelta(seconds=60)
# Noon in India is 6:30 UTC; the day ends twelve hours later.
MIDNIGHT = NOON + timedelta(hours=12)
TODAY, TOMORROW = date(2026, 11, 22), date(2026, 11, 23)


def counted(
    store: RedisSessionStore,
    sender: str = "whatsapp:+919876543210",
    now: datetime = NOON,
    session: UserSession | None = None,
    *,
    ever: Mapping[str, int] | None = None,
    **today: int,
) -> StoredPerson:
    """One commit that moves counters; ``entered_name`` stands for ``entered:name``."""
    names = {name.replace("_", ":", 1): count for name, count in today.items()}
    known = store.load(store.identify(sender))
    session = session or UserSession.start(OnboardingStep.NAME, now)
    stored = store.commit(known, session, a_contact(), ever or {}, now, day_counters=names)
    assert isinstance(stored, StoredPerson)
    return stored


def moved(store: RedisSessionStore, now: datetime = NOON, days: int = 1) -> list[dict[str, int]]:
    """What has moved, day by day."""
    sums = store.add_up(now, days).days
    assert len(sums) == days
    return [{name: count for name, count in counters_in(row).items() if count} for row in sums.values()]


def crowd(store: RedisSessionStore, count: int, now: datetime = NOON, **today: int) -> None:
    for number in range(count):
        counted(store, f"whatsapp:+9198765{number:05}", now, None, ever=None, **today)


# --- a day ---------------------------------------------------------------------------------------------------------


def test_a_day_adds_up_over_all_shards(store: RedisSessionStore) -> None:
    crowd(store, 100, entered_name=2, otp_sent=1)
    assert moved(store) == [{"entered:name": 200, "otp:sent": 100}]


def test_what_counts_for_good_counts_for_the_day_as_well_and_not_the_other_way_round(store: RedisSessionStore) -> None:
    counted(store, ever={"webhooks": 1}, entered_name=1)
    assert moved(store) == [{"webhooks": 1, "entered:name": 1}]
    assert store.add_up(NOON).counters == {"webhooks": 1}


def test_a_conflict_counts_nothing(store: RedisSessionStore) -> None:
    known = store.load(store.identify("whatsapp:+919876543210"))
    counted(store, entered_name=1)
    late = store.commit(known, a_session(), a_contact(), {}, NOON, day_counters={"entered:name": 1})
    assert isinstance(late, Conflict)
    assert moved(store) == [{"entered:name": 1}]


def test_a_commit_that_is_repeated_after_a_lost_answer_counts_once_and_succeeds(
    store: RedisSessionStore, client: AnyRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As redis-py does it: the script ran, its answer was lost, and the same call goes out again."""
    run = store._scripts.run

    def run_twice(name: str, keys: Any, arguments: Any) -> Any:
        run(name, keys, arguments)
        return run(name, keys, arguments)

    monkeypatch.setattr(store._scripts, "run", run_twice)
    stored = counted(store, ever={"failures": 3}, entered_name=1)
    assert store.load(stored.person_id) == stored
    assert moved(store) == [{"failures": 3, "entered:name": 1}]


def test_a_day_is_kept_for_longer_than_stats_may_be_asked(store: RedisSessionStore, client: AnyRedis) -> None:
    person_id = counted(store, entered_name=1).person_id
    assert client.ttl(KEYS.day(person_id, TODAY)) > 90 * 86_400


# --- midnight ------------------------------------------------------------------------------------------------------


def test_a_day_ends_at_midnight_in_india(store: RedisSessionStore) -> None:
    counted(store, now=MIDNIGHT - timedelta(microseconds=1), entered_name=1)
    counted(store, now=MIDNIGHT, entered_sector=1)
    assert moved(store, MIDNIGHT, 2) == [{"entered:name": 1}, {"entered:sector": 1}]
    assert list(store.add_up(MIDNIGHT, 2).days) == [TODAY, TOMORROW]


def test_a_day_that_is_over_is_rolled_up_once_it_is_asked_for(store: RedisSessionStore, client: AnyRedis) -> None:
    crowd(store, 20, entered_name=1)
    later = MIDNIGHT + timedelta(hours=1, seconds=1)
    assert moved(store, later, 2) == [{"entered:name": 20}, {}]
    for shard in range(SHARDS):
        client.delete(day_of_shard(shard, TODAY))
    assert moved(store, later, 2) == [{"entered:name": 20}, {}]
    assert client.ttl(day_of_all(TODAY)) > 90 * 86_400


def test_in_the_first_hour_a_straggler_still_counts(store: RedisSessionStore, client: AnyRedis) -> None:
    counted(store, entered_name=1)
    store.count_expired_sessions(MIDNIGHT + timedelta(minutes=59))
    assert not client.exists(day_of_all(TODAY))
    counted(store, "whatsapp:+919999999999", MIDNIGHT - timedelta(seconds=1), entered_name=1)
    store.count_expired_sessions(MIDNIGHT + timedelta(minutes=61))
    assert client.exists(day_of_all(TODAY))
    assert moved(store, MIDNIGHT + DAY, 3) == [{"entered:name": 2}, {}, {}]


def test_days_are_summed_up_without_a_question(store: RedisSessionStore, client: AnyRedis) -> None:
    crowd(store, 5, entered_name=1)
    store.count_expired_sessions(NOON + 3 * DAY)
    assert [client.exists(day_of_all(TODAY + days * DAY)) for days in range(4)] == [1, 1, 1, 0]
    assert moved(store, NOON + 3 * DAY, 4) == [{"entered:name": 5}, {}, {}, {"ended:name": 5}]


def test_a_roll_up_is_never_written_again(store: RedisSessionStore, client: AnyRedis) -> None:
    crowd(store, 5, entered_name=1)
    store.count_expired_sessions(NOON + 2 * DAY)
    rolled_up = client.get(day_of_all(TODAY))
    counted(store, "whatsapp:+919999999999", NOON, entered_name=1)
    store.count_expired_sessions(NOON + 2 * DAY)
    assert client.get(day_of_all(TODAY)) == rolled_up


def test_many_who_roll_up_at_once_keep_the_same_sums(store: RedisSessionStore) -> None:
    crowd(store, 20, entered_name=1)
    answers: list[list[dict[str, int]]] = []
    threads = [threading.Thread(target=lambda: answers.append(moved(store, NOON + DAY, 2))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[{"entered:name": 20}, {}]] * 6


def test_a_roll_up_that_dies_on_the_way_is_done_by_the_next(
    store: RedisSessionStore, client: AnyRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(store, 20, entered_name=1)
    with monkeypatch.context() as patch:
        patch.setattr(store._days._client, "set", lambda *_args, **_options: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.count_expired_sessions(NOON + DAY + CLOCKS_APART)
    assert moved(store, NOON + DAY, 2) == [{"entered:name": 20}, {"ended:name": 20}]


def test_rows_of_other_releases_add_up(store: RedisSessionStore, client: AnyRedis) -> None:
    """An older release knew fewer counters, a newer one knows more; both may run side by side for a moment."""
    client.set(day_of_shard(1, TODAY), (7).to_bytes(8, "big"))
    client.set(day_of_shard(2, TODAY), b"".join((1).to_bytes(8, "big") for _ in range(1000)))
    (row,) = store.add_up(NOON).days.values()
    assert (row[0], row[1], len(row)) == (8, 1, 1000)


def test_ninety_days_without_any_message(store: RedisSessionStore) -> None:
    assert moved(store, NOON, 90) == [{}] * 90
    assert moved(store, NOON, 90) == [{}] * 90


# --- sessions that end ---------------------------------------------------------------------------------------------


def test_a_session_that_ends_is_counted_once_where_it_stood(store: RedisSessionStore) -> None:
    steps = list(OnboardingStep)
    for number in range(70):
        counted(store, f"whatsapp:+9198765{number:05}", session=a_session(steps[number % 7]))
    end = NOON + DAY + CLOCKS_APART
    store.count_expired_sessions(end - timedelta(seconds=1))
    assert moved(store, end) == [{}]
    threads = [threading.Thread(target=store.count_expired_sessions, args=(end,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert moved(store, NOON + DAY) == [{f"ended:{step}": 10 for step in steps}]


def test_the_next_commit_in_the_shard_counts_an_expired_session_too(store: RedisSessionStore, client: AnyRedis) -> None:
    person_id = counted(store, session=a_session(OnboardingStep.PHONE)).person_id
    client.delete(KEYS.session(person_id), KEYS.contact(person_id))
    counted(store, now=NOON + DAY)
    assert moved(store, NOON + DAY) == [{"ended:phone": 1}]
    store.count_expired_sessions(NOON + DAY + CLOCKS_APART)
    assert moved(store, NOON + DAY) == [{"ended:phone": 1}]


@pytest.mark.parametrize("seconds", [0, 30])
def test_a_message_just_in_time_does_not_count_the_session_as_ended(store: RedisSessionStore, seconds: int) -> None:
    """Redis still has the session, whatever the clock of this machine says."""
    counted(store, session=a_session(OnboardingStep.PHONE))
    now = NOON + DAY + timedelta(seconds=seconds)
    store.count_expired_sessions(now)
    counted(store, now=now, session=UserSession.start(OnboardingStep.CONFIRMATION, now))
    store.count_expired_sessions(now + CLOCKS_APART)
    assert moved(store, now) == [{}]
    assert store.add_up(now).sessions[OnboardingStep.CONFIRMATION] == 1


def test_a_person_who_comes_back_after_the_session_expired_has_let_it_end(
    store: RedisSessionStore, client: AnyRedis
) -> None:
    """Redis has the session no more, though by the clock of this machine its time is not over."""
    person_id = counted(store, session=a_session(OnboardingStep.PHONE)).person_id
    client.delete(KEYS.session(person_id))
    now = NOON + DAY - timedelta(seconds=30)
    counted(store, now=now)
    assert moved(store, now) == [{"ended:phone": 1}]


def test_a_session_that_goes_on_has_not_ended(store: RedisSessionStore) -> None:
    for hours in (0, 20, 40, 60):
        now = NOON + timedelta(hours=hours)
        counted(store, now=now, session=UserSession.start(OnboardingStep.PHONE, now))
        store.count_expired_sessions(now)
    assert moved(store, NOON + timedelta(hours=60), 4) == [{}, {}, {}, {}]


# --- all shards in one go ------------------------------------------------------------------------------------------


def test_a_shard_whose_call_fails_in_the_pipeline_is_asked_again(
    store: RedisSessionStore, client: AnyRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a shard has just moved to another server of the cluster."""
    crowd(store, 100, entered_name=1)
    scripts = store._scripts
    scripts._scripts["shard_figures"] = client.register_script(scripts._texts["shard_figures"])
    # Only the pipeline sends this text.
    monkeypatch.setitem(scripts._texts, "shard_figures", "return redis.error_reply('MOVED 1 127.0.0.1:1')")
    assert moved(store) == [{"entered:name": 100}]


def test_a_server_that_cannot_is_no_answer(store: RedisSessionStore, client: AnyRedis) -> None:
    client.set(day_of_shard(5, TODAY), b"")
    client.delete(day_of_shard(5, TODAY))
    client.hset(day_of_shard(5, TODAY), "not", "a row")
    with pytest.raises(StoreUnavailableError):
        store.add_up(NOON)
