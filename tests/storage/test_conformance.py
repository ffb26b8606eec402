"""What every session store must do, run against each server that it may stand on."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import structlog

from onboarding_bot.conversation.contact import NEWS, Consent, Contact, Draft, OptOut
from onboarding_bot.conversation.session import OnboardingStep, Reservation, UserSession
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.session_store import Conflict, StoredPerson
from tests.fakes import NOON
from tests.storage.broadcasts import KEYS
from tests.stored_bytes import stored_value

OWNER = "whatsapp:+919876543210"
PHONE = "+919876543210"
DAY = timedelta(days=1)


def a_session(step: OnboardingStep = OnboardingStep.SECTOR, **data: str) -> UserSession:
    return UserSession.start(step, NOON, data)


def a_contact() -> Contact:
    return Contact(OWNER, "hi", first_inbound_at=NOON, last_inbound_at=NOON)


def committed(store: RedisSessionStore, session: UserSession, sender: str = OWNER, **counters: int) -> StoredPerson:
    known = store.load(store.identify(sender))
    stored = store.commit(known, session, a_contact(), counters, NOON)
    assert isinstance(stored, StoredPerson)
    return stored


def test_nothing_is_known_of_a_stranger(store: RedisSessionStore) -> None:
    stranger = store.load(store.identify(OWNER))
    assert (stranger.session, stranger.contact) == (None, None)


def test_what_was_committed_is_loaded(store: RedisSessionStore) -> None:
    stored = committed(store, a_session(name="Asha Devi"))
    assert store.load(store.identify(OWNER)) == stored
    assert stored.session == a_session(name="Asha Devi")


def test_a_commit_on_the_version_it_returned_succeeds(store: RedisSessionStore) -> None:
    stored = committed(store, a_session())
    again = store.commit(stored, a_session(OnboardingStep.PINCODE), a_contact(), {}, NOON)
    assert isinstance(again, StoredPerson)


@pytest.mark.parametrize(
    "stale",
    [
        pytest.param("nothing was known", id="the first message of a person, twice at once"),
        pytest.param("an older session", id="two messages at once"),
    ],
)
def test_a_commit_on_an_old_version_writes_nothing_and_returns_the_newer_state(
    store: RedisSessionStore, stale: str
) -> None:
    before = store.load(store.identify(OWNER)) if stale == "nothing was known" else committed(store, a_session())
    now = committed(store, a_session(OnboardingStep.PHONE), started=1)
    late = store.commit(before, a_session(OnboardingStep.NAME), a_contact(), {"started": 1}, NOON)
    assert late == Conflict(now)
    assert store.load(store.identify(OWNER)) == now
    assert store.add_up(NOON).counters == {"started": 1}


def test_the_contact_record_is_compared_as_well(store: RedisSessionStore, client: AnyRedis) -> None:
    stored = committed(store, a_session())
    client.delete(KEYS.contact(stored.person_id))
    assert isinstance(store.commit(stored, a_session(), a_contact(), {}, NOON), Conflict)


def test_of_many_commits_at_once_exactly_one_wins(store: RedisSessionStore) -> None:
    known = store.load(store.identify(OWNER))
    results: list[StoredPerson | Conflict] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(store.commit(known, a_session(), a_contact(), {"turns": 1}, NOON))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(result, StoredPerson) for result in results) == 1
    assert store.add_up(NOON).counters == {"turns": 1}


def test_a_session_lives_for_a_day_and_its_contact_record_longer(store: RedisSessionStore, client: AnyRedis) -> None:
    person_id = committed(store, a_session()).person_id
    assert 86_390 <= client.ttl(KEYS.session(person_id)) <= 86_400
    assert client.ttl(KEYS.contact(person_id)) > 179 * 86_400


def test_what_the_bot_writes_down_by_itself_lengthens_no_life(store: RedisSessionStore, client: AnyRedis) -> None:
    stored = committed(store, a_session())
    store.commit(stored, a_session(), a_contact(), {}, NOON + timedelta(hours=12))
    for key, days in ((KEYS.session, 1), (KEYS.contact, 180)):
        assert client.ttl(key(stored.person_id)) <= (days - 0.5) * 86_400


def test_unfinished_answers_expire_on_their_own(store: RedisSessionStore, client: AnyRedis) -> None:
    stored = committed(store, a_session())
    draft = Draft({"name": "Asha Devi"}, NOON)
    with_draft = store.commit(stored, a_session(), replace(a_contact(), draft=draft), {}, NOON + timedelta(hours=12))
    assert isinstance(with_draft, StoredPerson)
    assert store.load(stored.person_id).contact == replace(a_contact(), draft=draft)
    assert 6 * 86_400 < client.ttl(KEYS.draft(stored.person_id)) <= 6.5 * 86_400
    store.commit(with_draft, a_session(), a_contact(), {}, NOON + timedelta(hours=12))
    assert store.load(stored.person_id).contact == a_contact()
    assert not client.exists(KEYS.draft(stored.person_id))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\x00", id="not even text"),
        pytest.param(b'{"at": "2026-', id="half of it"),
        pytest.param(b"[]", id="another shape"),
        pytest.param(b'{"source": "SM1"}', id="without its time"),
        pytest.param(b'{"at": "yesterday", "source": "SM1"}', id="with a time that is none"),
    ],
)
@pytest.mark.mistakes_are_made
def test_a_damaged_no_to_messages_is_a_no(store: RedisSessionStore, client: AnyRedis, value: bytes) -> None:
    """Taking it for a yes would be the worse fault; and what is written next is whole again."""
    stored = committed(store, a_session())
    client.set(KEYS.opt_out(stored.person_id), value)
    with structlog.testing.capture_logs() as lines:
        known = store.load(stored.person_id)
    assert known.contact is not None
    assert known.contact.opt_out is not None
    assert replace(known.contact, opt_out=None) == a_contact()
    assert [(line["event"], line["kind"]) for line in lines] == [("stored_value_unreadable", "opt_out")]
    store.commit(known, a_session(), known.contact, {}, NOON)
    assert store.load(stored.person_id).contact == known.contact


def test_a_no_to_messages_outlives_the_record_and_its_keys(store: RedisSessionStore, client: AnyRedis) -> None:
    stored = committed(store, a_session())
    opt_out = OptOut(NOON, "SM1")
    store.commit(stored, a_session(), replace(a_contact(), opt_out=opt_out), {}, NOON)
    assert store.load(stored.person_id).contact == replace(a_contact(), opt_out=opt_out)
    assert client.ttl(KEYS.contact(stored.person_id)) > 0
    assert client.ttl(KEYS.opt_out(stored.person_id)) == -1
    client.delete(KEYS.session(stored.person_id), KEYS.contact(stored.person_id))
    all_that_is_left = store.load(stored.person_id)
    assert all_that_is_left.contact is not None
    assert all_that_is_left.contact.opt_out == opt_out
    taken_back = store.commit(all_that_is_left, a_session(), a_contact(), {}, NOON)
    assert isinstance(taken_back, StoredPerson)
    assert not client.exists(KEYS.opt_out(stored.person_id))


def test_people_who_have_been_silent_for_too_long_leave_the_contact_index(
    store: RedisSessionStore, client: AnyRedis
) -> None:
    person_id = committed(store, a_session()).person_id
    later = NOON + timedelta(days=181)
    known = replace(store.load(person_id), session_version=b"", contact_version=b"")
    client.delete(KEYS.session(person_id), KEYS.contact(person_id))
    assert client.zcard(KEYS.contacts(person_id)) == 1
    store.commit(known, a_session(), a_contact(), {}, later)
    assert client.zcard(KEYS.contacts(person_id)) == 0


def test_a_person_is_counted_in_one_step_until_the_session_expires(store: RedisSessionStore) -> None:
    stored = committed(store, a_session(OnboardingStep.NAME))
    committed(store, a_session(OnboardingStep.NAME), sender="whatsapp:IN.1234567890")
    store.commit(stored, a_session(OnboardingStep.SECTOR), a_contact(), {}, NOON)
    sessions = store.add_up(NOON).sessions
    assert {step: count for step, count in sessions.items() if count} == {
        OnboardingStep.NAME: 1,
        OnboardingStep.SECTOR: 1,
    }
    assert set(sessions) == set(OnboardingStep)
    assert sum(store.add_up(NOON + DAY).sessions.values()) == 0


def test_counters_add_up_over_all_shards(store: RedisSessionStore) -> None:
    for number in range(50):
        committed(store, a_session(), sender=f"whatsapp:+9198765432{number:02}", webhooks=2)
    assert store.add_up(NOON).counters == {"webhooks": 100}


def test_no_person_can_be_read_in_redis(store: RedisSessionStore, client: AnyRedis) -> None:
    committed(store, a_session(name="Asha Devi", phone=PHONE))
    store.reserve_otp(Reservation("token", PHONE), NOON)
    names = list(client.scan_iter())
    assert len(names) > 3
    for key in names:
        content = client.dump(key) or b""
        for secret in (b"Asha", b"9876543210", b"whatsapp"):
            assert secret not in key
            assert secret not in content


def test_an_undecryptable_value_counts_as_absent_and_can_be_overwritten(
    store: RedisSessionStore, client: AnyRedis
) -> None:
    person_id = committed(store, a_session()).person_id
    client.set(KEYS.session(person_id), b"\x01scrambled beyond repair, and long enough")
    found = store.load(person_id)
    assert found.session is None
    assert found.contact == a_contact()
    assert isinstance(store.commit(found, a_session(), a_contact(), {}, NOON), StoredPerson)


def test_a_decryptable_value_that_is_no_session_counts_as_absent(store: RedisSessionStore, client: AnyRedis) -> None:
    person_id = committed(store, a_session()).person_id
    nonsense = json.dumps({"current_step": "dancing"}).encode()
    client.set(KEYS.session(person_id), Cipher([b"k" * 32]).encrypt(nonsense, f"session:{person_id}".encode()))
    assert store.load(person_id).session is None


def test_one_persons_value_cannot_stand_in_for_anothers(store: RedisSessionStore, client: AnyRedis) -> None:
    thief = store.identify("whatsapp:+919999999999")
    owner = committed(store, a_session(name="Asha Devi")).person_id
    client.set(KEYS.session(thief), stored_value(client, KEYS.session(owner)))
    assert store.load(thief).session is None


def test_keys_rotate_by_putting_a_new_one_in_front(client: AnyRedis) -> None:
    old = RedisSessionStore(client, KEYS, Sealer(Cipher([b"o" * 32])), DAY, DAY)
    both = RedisSessionStore(client, KEYS, Sealer(Cipher([b"n" * 32, b"o" * 32])), DAY, DAY)
    new = RedisSessionStore(client, KEYS, Sealer(Cipher([b"n" * 32])), DAY, DAY)
    stored = committed(old, a_session(name="Asha Devi"))
    loaded = both.load(stored.person_id)
    assert loaded == stored
    assert new.load(stored.person_id).session is None
    both.commit(loaded, a_session(name="Asha Devi"), a_contact(), {}, NOON)
    assert new.load(stored.person_id).session == a_session(name="Asha Devi")


def test_a_phone_number_has_five_otp_requests_a_day(store: RedisSessionStore) -> None:
    for number in range(5):
        assert store.reserve_otp(Reservation(f"token-{number}", PHONE), NOON + number * timedelta(minutes=2)) == 0
    sixth = Reservation("token-6", PHONE)
    assert store.reserve_otp(sixth, NOON + timedelta(hours=1)) == 23 * 3600
    assert store.reserve_otp(Reservation("token-7", "+919999999999"), NOON + timedelta(hours=1)) == 0
    assert store.reserve_otp(sixth, NOON + DAY) == 0


def test_otp_requests_keep_a_minute_apart(store: RedisSessionStore) -> None:
    assert store.reserve_otp(Reservation("first", PHONE), NOON) == 0
    assert store.reserve_otp(Reservation("second", PHONE), NOON + timedelta(seconds=20)) == 40
    assert store.reserve_otp(Reservation("second", PHONE), NOON + timedelta(seconds=60)) == 0


def test_the_same_token_takes_one_place_only(store: RedisSessionStore) -> None:
    for _ in range(9):
        assert store.reserve_otp(Reservation("token", PHONE), NOON) == 0
    assert store.reserve_otp(Reservation("other", PHONE), NOON + timedelta(minutes=2)) == 0


def test_no_key_is_left_that_never_expires_but_the_indexes_and_counters(
    store: RedisSessionStore, client: AnyRedis
) -> None:
    committed(store, a_session(), webhooks=1)
    store.reserve_otp(Reservation("token", PHONE), NOON)
    for_good = {key.decode().split(":")[1] for key in client.scan_iter() if client.ttl(key) == -1}
    assert for_good == {"contacts", "counters", "step"}


# --- consents and opt-outs without a message of the person -----------------------------------------------------------


def test_an_amended_contact_is_stored_and_lives_no_longer(store: RedisSessionStore, client: AnyRedis) -> None:
    stored = committed(store, a_session(name="Asha Devi"))
    client.pexpire(KEYS.contact(stored.person_id), 60_000)
    told = replace(a_contact(), consents={NEWS: Consent(NOON, "admin ops", "at a fair")})
    amended = store.amend(stored, told)
    assert amended == store.load(stored.person_id)
    assert amended.contact == told
    for name in (KEYS.contact(stored.person_id), KEYS.permit(stored.person_id)):
        assert 0 < client.pttl(name) <= 60_000
    assert client.hget(KEYS.permit(stored.person_id), "updates") is not None


def test_an_amended_yes_that_was_taken_back_lets_nothing_out(store: RedisSessionStore, client: AnyRedis) -> None:
    stored = committed(store, a_session())
    with_news = store.amend(stored, replace(a_contact(), consents={NEWS: Consent(NOON, "admin ops", "at a fair")}))
    assert isinstance(with_news, StoredPerson)
    without = store.amend(with_news, replace(a_contact(), consents={}))
    assert isinstance(without, StoredPerson)
    assert client.hmget(KEYS.permit(stored.person_id), "service", "updates") == [None, None]


def test_an_amendment_of_an_old_state_changes_nothing(store: RedisSessionStore) -> None:
    before = committed(store, a_session())
    now = committed(store, a_session(OnboardingStep.PHONE))
    assert store.amend(before, replace(a_contact(), opt_out=OptOut(NOON, "admin ops"))) == Conflict(now)
    assert store.load(now.person_id) == now


def test_an_amended_opt_out_is_set_and_taken_back(store: RedisSessionStore) -> None:
    stored = committed(store, a_session())
    stopped = store.amend(stored, replace(a_contact(), opt_out=OptOut(NOON, "admin ops")))
    assert isinstance(stopped, StoredPerson)
    assert store.load(stored.person_id) == stopped
    store.amend(stopped, a_contact())
    contact = store.load(stored.person_id).contact
    assert contact is not None
    assert contact.opt_out is None


def test_of_a_stranger_the_opt_out_alone_is_written(store: RedisSessionStore, client: AnyRedis) -> None:
    stranger = store.load(store.identify(OWNER))
    told = Contact("", None, NOON, NOON, opt_out=OptOut(NOON, "admin ops"))
    assert isinstance(store.amend(stranger, told), StoredPerson)
    assert store.load(stranger.person_id).contact == told
    for name in (KEYS.contact(stranger.person_id), KEYS.permit(stranger.person_id)):
        assert not client.exists(name)
