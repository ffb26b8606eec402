"""What an erasure leaves in Redis, run against each server that it may stand on: nothing of the person."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from redis import Redis
from redis.cluster import RedisCluster

from onboarding_bot.analytics.counter_layout import counters_in
from onboarding_bot.conversation.contact import SERVICE, Consent, Contact, Draft, OptOut, OtpRequest
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import OnboardingStep, RememberedReply, Reservation, UserSession
from onboarding_bot.outbound.broadcast_definition import Definition
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState
from onboarding_bot.outbound.due_work import DueTimes, DueWork
from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.erasure_work import MESSAGES_DELETED_AFTER, Deletion
from onboarding_bot.storage.identities import Identities
from onboarding_bot.storage.recipients import Recipient
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.scripts import Scripts
from onboarding_bot.storage.send_slots import SendSlots
from onboarding_bot.storage.session_store import Conflict, StoredPerson
from tests.broadcasts.people import add, add_many
from tests.fakes import NOON
from tests.storage.broadcasts import KEYS, BroadcastStorage, states

OWNER = "whatsapp:+919876543210"
PHONE = "+919812345678"
PERSON = KEYS.person_id(OWNER)
ANSWERS = {"name": "Asha Devi", "sector": "Retail", "pincode": "560001", "phone": PHONE}
TEXT = Definition(message="The fair opens on Monday.")
TEMPLATE = Definition(content_sid="HX" + "a" * 32)
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(Cipher([b"k" * 32]))


@pytest.fixture
def erasures(client: AnyRedis, sealer: Sealer, store: RedisSessionStore) -> Erasures:
    return Erasures(client, KEYS, sealer, store)


def a_whole_person(store: RedisSessionStore, opt_out: OptOut | None = None) -> StoredPerson:
    """Somebody of whom everything is kept that can be kept."""
    session = UserSession.start(OnboardingStep.CONFIRMATION, NOON, ANSWERS)
    contact = Contact(
        OWNER,
        "en",
        NOON,
        NOON,
        consents={SERVICE: Consent(NOON, "SM1", "2026-11")},
        opt_out=opt_out,
        registration=ANSWERS,
        draft=Draft(ANSWERS, NOON),
        otp_requests=(OtpRequest("token", NOON - MINUTE),),
    )
    due = DueTimes(NOON + MINUTE, NOON + MINUTE)
    stored = store.commit(store.load(PERSON), session, contact, {}, NOON, due)
    assert isinstance(stored, StoredPerson)
    store.reserve_otp(Reservation("token", PHONE), NOON)
    return stored


def everything_in(client: AnyRedis) -> Iterator[tuple[str, str]]:
    """Every key with all that it holds; only a test looks at Redis like this."""
    for node in _nodes_of(client):
        for name in node.scan_iter(count=1000):
            kind, key = node.type(name), name.decode()
            match kind:
                case b"string":
                    held: Any = node.get(name)
                case b"hash":
                    held = node.hgetall(name)
                case b"zset":
                    held = node.zrange(name, 0, -1)
                case b"set":
                    held = node.smembers(name)
                case _:
                    raise AssertionError(f"{key} is a {kind!r}")
            yield key, repr(held)


def _nodes_of(client: AnyRedis) -> list[Redis]:
    if isinstance(client, RedisCluster):
        return [client.get_redis_connection(node) for node in client.get_primaries()]
    return [client]


def where_is(client: AnyRedis, *needles: str) -> list[str]:
    return sorted(key for key, held in everything_in(client) if any(needle in key + held for needle in needles))


def recipients(storage: BroadcastStorage, broadcast_id: str) -> list[Recipient]:
    return [recipient for batch in storage.recipients.all(broadcast_id) for recipient in batch]


def to_everybody(storage: BroadcastStorage, definition: Definition = TEXT) -> str:
    """A broadcast to everybody, with all its recipients."""
    broadcast_id, _ = storage.records.create(definition, NOON, None)
    storage.audiences.fix(broadcast_id, None, NOON)
    storage.records.transition(broadcast_id, BroadcastStatus.SENDING, [BroadcastStatus.COUNTING])
    for shard in range(keys.SHARDS):
        storage.recipients.add(broadcast_id, shard, storage.audiences.people(broadcast_id, shard, 0), definition, NOON)
    return broadcast_id


# --- nothing is left -----------------------------------------------------------------------------------------------


def test_only_the_opt_out_and_the_list_of_erasures_still_know_the_person(
    store: RedisSessionStore, storage: BroadcastStorage, erasures: Erasures, client: AnyRedis
) -> None:
    a_whole_person(store)
    broadcast_id = to_everybody(storage, TEMPLATE)
    SendSlots(client).take_for_broadcast(broadcast_id, 0.001, outside_window=PERSON, daily_limit=250)
    assert len(where_is(client, PERSON)) > 10, "the test looks for what is there"
    assert erasures.erase(PERSON, NOON)
    assert where_is(client, PERSON) == sorted([KEYS.opt_out(PERSON), KEYS.erasures(PERSON)])
    assert where_is(client, "9876543210", PHONE, "9812345678", "Asha", "560001", "Retail") == []


def test_a_place_among_a_numbers_otps_stays_for_its_day(
    store: RedisSessionStore, erasures: Erasures, client: AnyRedis
) -> None:
    """It protects the number, whoever asks; it names a hash of the number and nobody else."""
    a_whole_person(store)
    erasures.erase(PERSON, NOON)
    assert store.reserve_otp(Reservation("another", PHONE), NOON + SECOND) == 59
    assert 0 < client.pttl(KEYS.otp_requests(PHONE)) <= 24 * 3600 * 1000


def test_nobody_else_is_touched(store: RedisSessionStore, storage: BroadcastStorage, erasures: Erasures) -> None:
    a_whole_person(store)
    others = add_many(store, 200)
    neighbours = [other for other in others if keys.shard_of(other) == keys.shard_of(PERSON)]
    assert neighbours
    before = [store.load(other) for other in others]
    broadcast_id = to_everybody(storage)
    erasures.erase(PERSON, NOON)
    assert [store.load(other) for other in others] == before
    assert states(storage, broadcast_id) == {"pending": 200, "skipped": 1}
    assert store.add_up(NOON).sessions[OnboardingStep.SECTOR] == 200


def test_an_erasure_is_a_no_to_messages(store: RedisSessionStore, erasures: Erasures) -> None:
    a_whole_person(store)
    erasures.erase(PERSON, NOON)
    left = store.load(PERSON)
    assert left.session is None
    assert left.contact is not None
    assert (left.contact.address, left.contact.opt_out) == ("", OptOut(NOON, "erasure"))


def test_an_earlier_stop_stays_as_it_was_said(store: RedisSessionStore, erasures: Erasures) -> None:
    said = OptOut(NOON - DAY, "SM9")
    a_whole_person(store, said)
    erasures.erase(PERSON, NOON)
    erasures.erase(PERSON, NOON + DAY)
    contact = store.load(PERSON).contact
    assert contact is not None
    assert contact.opt_out == said


def test_the_otps_of_the_day_still_count(store: RedisSessionStore, erasures: Erasures) -> None:
    """Otherwise an erasure would be the way around the limit for a sender."""
    a_whole_person(store)
    erasures.erase(PERSON, NOON)
    erasures.erase(PERSON, NOON + SECOND)
    contact = store.load(PERSON).contact
    assert contact is not None
    assert [request.at for request in contact.otp_requests] == [NOON - MINUTE]


def test_whether_there_was_anything_is_told(store: RedisSessionStore, erasures: Erasures) -> None:
    assert not erasures.erase(PERSON, NOON)
    a_whole_person(store)
    assert erasures.erase(PERSON, NOON)
    assert not erasures.erase(PERSON, NOON)


# --- one decision --------------------------------------------------------------------------------------------------


def test_a_person_who_wrote_meanwhile_is_not_erased_by_an_old_decision(
    store: RedisSessionStore, erasures: Erasures
) -> None:
    known = a_whole_person(store)
    newer = a_whole_person(store)
    conflict = erasures.erase_as_known(known, NOON)
    assert conflict == Conflict(newer)
    assert store.load(PERSON) == newer
    assert erasures.log.erased_since(NOON - DAY) == []


def test_an_erasure_whose_answer_was_lost_is_told_and_logged(
    store: RedisSessionStore, erasures: Erasures, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The client asks once more, and finds the own work done."""
    a_whole_person(store)
    run = Scripts.run

    def run_twice(scripts: Scripts, name: str, *call: Any) -> Any:
        if name == "erase":
            run(scripts, name, *call)
        return run(scripts, name, *call)

    monkeypatch.setattr(Scripts, "run", run_twice)
    assert erasures.erase(PERSON, NOON)
    assert f'"person_id": "{PERSON}"' in capsys.readouterr().out


def test_the_message_that_asked_is_logged_when_the_answer_was_lost(
    store: RedisSessionStore, erasures: Erasures, capsys: pytest.CaptureFixture[str]
) -> None:
    known = a_whole_person(store)
    assert erasures.erase_as_known(known, NOON) is None
    capsys.readouterr()
    assert erasures.erase_as_known(known, NOON) is not None
    assert f'"person_id": "{PERSON}"' in capsys.readouterr().out


def test_a_turn_that_was_computed_before_brings_nobody_back(store: RedisSessionStore, erasures: Erasures) -> None:
    known = a_whole_person(store)
    assert known.session is not None
    assert known.contact is not None
    erasures.erase(PERSON, NOON)
    late = store.commit(known, known.session, known.contact, {}, NOON)
    assert isinstance(late, Conflict)
    assert store.load(PERSON).session is None


def test_the_message_that_asked_is_answered_again_for_a_quarter_of_an_hour(
    store: RedisSessionStore, erasures: Erasures, client: AnyRedis
) -> None:
    erasure_reply = RememberedReply("SM7", NOON, (Part("erasure.done"),), "hi")
    erasures.erase_as_known(
        a_whole_person(store),
        NOON,
        erasure_reply=erasure_reply,
        counters={"webhooks": 1},
        day_counters={"entered:name": 2},
    )
    assert store.load(PERSON, "SM7").erasure_reply == erasure_reply
    assert store.load(PERSON, "SM8").erasure_reply is None
    assert where_is(client, "SM7") == []
    assert client.pttl(KEYS.erasure_reply(PERSON, "SM7")) <= 15 * 60 * 1000
    sums = store.add_up(NOON)
    assert sums.counters == {"webhooks": 1}
    assert {name: count for name, count in counters_in(sums.days[NOON.date()]).items() if count} == {
        "webhooks": 1,
        "entered:name": 2,
        "ended:confirmation": 1,
    }


# --- broadcasts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("pending", "skipped", "opted_out"),
        ("sending", "uncertain", ""),
        ("sent", "sent", ""),
        ("delivered", "delivered", ""),
        ("failed", "failed", "63016"),
    ],
)
def test_a_recipient_stays_without_a_name(
    store: RedisSessionStore,
    storage: BroadcastStorage,
    erasures: Erasures,
    client: AnyRedis,
    before: str,
    after: str,
    code: str,
) -> None:
    add(store, OWNER)
    broadcast_id = to_everybody(storage)
    if before != "pending":
        storage.recipients.claim(broadcast_id, PERSON, TEXT, NOON)
    if before in {"sent", "delivered"}:
        storage.recipients.record_send(broadcast_id, PERSON, RecipientState.SENT, message_sid="SM1")
    if before == "delivered":
        storage.recipients.apply_callback(broadcast_id, PERSON, RecipientState.DELIVERED, "", "SM1")
    if before == "failed":
        storage.recipients.record_send(broadcast_id, PERSON, RecipientState.FAILED, code="63016")
    assert states(storage, broadcast_id) == {before: 1}
    erasures.erase(PERSON, NOON)
    assert states(storage, broadcast_id) == {after: 1}
    (recipient,) = recipients(storage, broadcast_id)
    assert keys.is_erased(recipient.person_id)
    assert (recipient.state, recipient.code, recipient.message_sid) == (after, code, "")
    assert where_is(client, "SM1") == []
    assert storage.recipients.counts(broadcast_id).get("skipped:opted_out", 0) == (before == "pending")


def test_a_recipient_does_not_tell_when_its_person_was_erased(
    store: RedisSessionStore, storage: BroadcastStorage, erasures: Erasures, client: AnyRedis
) -> None:
    """That moment would lead to the list of erasures."""
    add(store, OWNER)
    current, older = to_everybody(storage), to_everybody(storage)
    client.hset(keys.in_shard(keys.shard_of(PERSON), older, "rows"), PERSON, "sent||SM1|1|1|0|0|")
    (before,) = recipients(storage, current)
    time.sleep(0.002)
    erasures.erase(PERSON, NOON)
    assert [recipient.changed_at for recipient in recipients(storage, current)] == [before.changed_at]
    assert [(recipient.state, recipient.changed_at) for recipient in recipients(storage, older)] == [("sent", None)]


def test_two_broadcasts_call_the_same_person_by_different_names(
    store: RedisSessionStore, storage: BroadcastStorage, erasures: Erasures
) -> None:
    add(store, OWNER)
    broadcasts = [to_everybody(storage) for _ in range(3)]
    erasures.erase(PERSON, NOON)
    assert (
        len({recipient.person_id for broadcast_id in broadcasts for recipient in recipients(storage, broadcast_id)})
        == 3
    )


def test_what_is_told_of_the_old_recipient_later_brings_nobody_back(
    store: RedisSessionStore, storage: BroadcastStorage, erasures: Erasures, client: AnyRedis
) -> None:
    add(store, OWNER)
    broadcast_id = to_everybody(storage)
    storage.recipients.claim(broadcast_id, PERSON, TEXT, NOON)
    erasures.erase(PERSON, NOON)
    storage.recipients.record_send(broadcast_id, PERSON, RecipientState.SENT, message_sid="SM1")
    assert storage.recipients.apply_callback(broadcast_id, PERSON, RecipientState.FAILED, "63024", "SM1") is None
    assert storage.recipients.claim(broadcast_id, PERSON, TEXT, NOON) is None
    storage.suppressions.suppress(PERSON, 63024)
    for other in range(3):
        storage.suppressions.suppress_after(3, f"{other:024x}", PERSON, 63024)
    assert storage.recipients.mark_uncertain(broadcast_id, NOON + DAY) == 0
    assert where_is(client, PERSON) == sorted([KEYS.opt_out(PERSON), KEYS.erasures(PERSON)])
    assert states(storage, broadcast_id) == {"uncertain": 1}


def test_a_person_who_is_erased_during_the_search_is_no_candidate(
    store: RedisSessionStore,
    storage: BroadcastStorage,
    erasures: Erasures,
    client: AnyRedis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(store, OWNER)
    shard = keys.shard_of(PERSON)
    neighbours = [other for other in add_many(store, 100) if keys.shard_of(other) == shard]
    broadcast_id, read = to_everybody(storage), client.hmget

    def erase_and_read(*arguments: Any) -> Any:
        erasures.erase(PERSON, NOON)
        return read(*arguments)

    monkeypatch.setattr(client, "hmget", erase_and_read)
    found = storage.recipients.candidates(broadcast_id, shard, 16, NOON)
    assert sorted(candidate.person_id for candidate in found) == sorted(neighbours)


def test_recipients_that_are_added_later_leave_the_person_out(
    store: RedisSessionStore, storage: BroadcastStorage, erasures: Erasures, client: AnyRedis
) -> None:
    """The worker read the audience, and then the person went."""
    add(store, OWNER)
    shard = keys.shard_of(PERSON)
    neighbours = [other for other in add_many(store, 100) if keys.shard_of(other) == shard]
    broadcast_id, _ = storage.records.create(TEXT, NOON, None)
    storage.audiences.fix(broadcast_id, None, NOON)
    read = storage.audiences.people(broadcast_id, shard, 0)
    assert sorted(read) == sorted([PERSON, *neighbours])
    erasures.erase(PERSON, NOON)
    storage.recipients.add(broadcast_id, shard, read, TEXT, NOON)
    assert sorted(recipient.person_id for recipient in recipients(storage, broadcast_id)) == sorted(neighbours)
    assert KEYS.opt_out(PERSON) in where_is(client, PERSON)
    assert len(storage.audiences.people(broadcast_id, shard, 0)) == len(read), "nobody's place among them has changed"


def test_a_broadcast_that_begins_at_that_moment_forgets_the_person_too(
    store: RedisSessionStore,
    storage: BroadcastStorage,
    erasures: Erasures,
    client: AnyRedis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(store, OWNER)
    look = erasures._records._broadcasts

    def look_and_begin() -> list[str]:
        found = look()
        if not found:
            to_everybody(storage)
        return found

    monkeypatch.setattr(erasures._records, "_broadcasts", look_and_begin)
    erasures.erase(PERSON, NOON)
    assert where_is(client, PERSON) == sorted([KEYS.opt_out(PERSON), KEYS.erasures(PERSON)])


def test_a_person_who_writes_again_meanwhile_is_not_erased_twice(
    store: RedisSessionStore, storage: BroadcastStorage, erasures: Erasures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broadcast begins during the erasure, so that it has to look a second time."""
    add(store, OWNER)
    looks = iter([None, lambda: (to_everybody(storage), add(store, OWNER))])
    look = erasures._records._broadcasts

    def meanwhile() -> list[str]:
        if happens := next(looks):
            happens()
        return look()

    monkeypatch.setattr(erasures._records, "_broadcasts", meanwhile)
    erasures.erase(PERSON, NOON)
    assert store.load(PERSON).session is not None


def test_a_stop_after_the_broadcast_is_gone_leaves_nothing_of_it(
    store: RedisSessionStore, storage: BroadcastStorage, client: AnyRedis
) -> None:
    add(store, OWNER)
    broadcast_id = to_everybody(storage)
    storage.recipients.claim(broadcast_id, PERSON, TEXT, NOON)
    counts = keys.in_shard(keys.shard_of(PERSON), broadcast_id, "counts")
    client.delete(counts)
    add(store, OWNER, has_stopped=True)
    assert not client.exists(counts)


# --- the messages at Twilio, and the list of erasures --------------------------------------------------------------


def test_whose_messages_are_to_be_deleted_is_kept_encrypted_until_they_are(
    store: RedisSessionStore, erasures: Erasures, client: AnyRedis
) -> None:
    a_whole_person(store)
    erasures.erase(PERSON, NOON)
    assert store.take_due(NOON, MINUTE) == []
    ((work, deletion_id),) = store.take_due(NOON + MESSAGES_DELETED_AFTER, MINUTE)
    assert work is DueWork.MESSAGES
    assert erasures.deletions.find(deletion_id) == Deletion(OWNER, NOON)
    erasures.deletions.end(deletion_id)
    assert erasures.deletions.find(deletion_id) is None
    assert store.take_due(NOON + DAY, MINUTE) == []
    assert where_is(client, deletion_id) == []


def test_an_address_without_a_record_has_its_messages_deleted_too(store: RedisSessionStore, erasures: Erasures) -> None:
    erasures.erase(PERSON, NOON, OWNER)
    ((_, deletion_id),) = store.take_due(NOON + DAY, MINUTE)
    assert erasures.deletions.find(deletion_id) == Deletion(OWNER, NOON)


def test_erasures_are_listed_until_no_backup_is_older(store: RedisSessionStore, erasures: Erasures) -> None:
    people = add_many(store, 3)
    for days, person_id in enumerate(people):
        erasures.erase(person_id, NOON + days * DAY)
    assert sorted(erasures.log.erased_since(NOON + DAY)) == sorted(
        [(people[1], NOON + DAY), (people[2], NOON + 2 * DAY)]
    )
    erasures.log.forget_before(NOON + 2 * DAY)
    assert erasures.log.erased_since(NOON - DAY) == [(people[2], NOON + 2 * DAY)]


def test_a_restored_person_is_erased_again(store: RedisSessionStore, erasures: Erasures) -> None:
    known = a_whole_person(store)
    erasures.erase(PERSON, NOON)
    assert known.session is not None
    assert known.contact is not None
    store.commit(store.load(PERSON), known.session, replace(known.contact, opt_out=None), {}, NOON)
    for person_id, _ in erasures.log.erased_since(NOON - DAY):
        assert erasures.erase(person_id, NOON + DAY)
    assert store.load(PERSON).session is None
    assert erasures.log.erased_since(NOON) == [(PERSON, NOON + DAY)]


# --- the audit line of an erasure -----------------------------------------------------------------------------------


class FullDisk(io.StringIO):
    """Standard output that takes nothing."""

    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


def erased_lines(output: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, output.splitlines()) if line["event"] == "erased"]


def test_an_audit_line_that_the_log_did_not_take_is_written_later(
    store: RedisSessionStore, erasures: Erasures, client: AnyRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    person = a_whole_person(store).person_id
    with contextlib.redirect_stdout(FullDisk()):
        assert erasures.erase(person, NOON)
        assert store.load(person).session is None, "nobody is refused for it"
        erasures.log.write_missing_lines(NOON)
    assert where_is(client, ":owed") == [store._keys.unlogged_erasures(person)]
    erasures.log.write_missing_lines(NOON - timedelta(seconds=1))
    assert erased_lines(capsys.readouterr().out) == [], "whoever erased somebody just now writes the line"
    erasures.log.write_missing_lines(NOON)
    (line,) = erased_lines(capsys.readouterr().out)
    assert (line["person_id"], datetime.fromisoformat(line["erased_at"])) == (person, NOON)
    erasures.log.write_missing_lines(NOON)
    assert erased_lines(capsys.readouterr().out) == []
    assert where_is(client, ":owed") == []


def test_an_audit_line_that_is_written_is_not_written_again(
    store: RedisSessionStore, erasures: Erasures, client: AnyRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    erasures.erase(a_whole_person(store).person_id, NOON)
    assert len(erased_lines(capsys.readouterr().out)) == 1
    assert where_is(client, ":owed") == []


def test_a_crash_before_the_line_writes_it_later(
    store: RedisSessionStore, erasures: Erasures, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = a_whole_person(store).person_id
    with monkeypatch.context() as dying:
        dying.setattr(erasures.log, "write_line", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erasures.erase(person, NOON)
    erasures.log.write_missing_lines(NOON)
    assert [line["person_id"] for line in erased_lines(capsys.readouterr().out)] == [person]


def test_missing_audit_lines_are_dropped_with_the_list_of_erasures(
    store: RedisSessionStore, erasures: Erasures, client: AnyRedis
) -> None:
    with contextlib.redirect_stdout(FullDisk()):
        erasures.erase(a_whole_person(store).person_id, NOON)
    erasures.log.forget_before(NOON + timedelta(seconds=1))
    assert where_is(client, ":owed") == []


# --- people with several addresses ----------------------------------------------------------------------------------

USER_ID = "whatsapp:IN.13491208655302741918"
OF_ID = KEYS.person_id(USER_ID)


@pytest.fixture
def identities(client: AnyRedis, sealer: Sealer, store: RedisSessionStore) -> Identities:
    return Identities(client, KEYS, sealer, store, timedelta(days=180))


def write(store: RedisSessionStore, identities: Identities, *addresses: str) -> StoredPerson:
    """A message with these addresses, from somebody who has said a name."""
    person = identities.load(addresses, "SM1", NOON)
    session = UserSession.start(OnboardingStep.SECTOR, NOON, {"name": "Asha Devi"})
    contact = replace(person.contact or Contact(addresses[0], "en", NOON, NOON), address=addresses[0])

    def commit(known: StoredPerson, session: UserSession, contact: Contact) -> StoredPerson | Conflict:
        return store.commit(known, session, contact, {}, NOON)

    stored = commit(person, session, contact)
    assert isinstance(stored, StoredPerson)
    return identities.finish_joins(stored, NOON, commit)


@pytest.mark.parametrize("addresses", [[OWNER, USER_ID], [USER_ID, OWNER]], ids=["number first", "id first"])
def test_every_address_has_its_own_no_and_its_own_entry(
    store: RedisSessionStore, identities: Identities, erasures: Erasures, client: AnyRedis, addresses: list[str]
) -> None:
    person = write(store, identities, *addresses[:1])
    person = write(store, identities, *addresses)
    other = ({PERSON, OF_ID} - {person.person_id}).pop()
    assert erasures.erase(person.person_id, NOON)
    for own in (PERSON, OF_ID):
        contact = store.load(own).contact
        assert contact is not None
        assert contact.opt_out == OptOut(NOON, "erasure")
    assert sorted(erasures.log.erased_since(NOON)) == sorted([(PERSON, NOON), (OF_ID, NOON)])
    assert where_is(client, person.person_id) == sorted(
        [KEYS.opt_out(person.person_id), KEYS.erasures(person.person_id), KEYS.alias(other)]
    )
    assert 0 < client.pttl(KEYS.alias(other)) <= 15 * 60 * 1000
    due = [deletion_id for _, deletion_id in store.take_due(NOON + DAY, MINUTE)]
    found = [deletion for deletion in map(erasures.deletions.find, due) if deletion]
    assert sorted(deletion.address for deletion in found) == sorted([OWNER, USER_ID])
    for deletion in found:
        erasures.erase_other_shards(deletion)
    assert where_is(client, ":owed") == [], "doing it twice changes nothing"


def test_the_id_of_an_earlier_holder_is_left_alone(
    store: RedisSessionStore, identities: Identities, erasures: Erasures
) -> None:
    another = f"{USER_ID}2"
    earlier = write(store, identities, OWNER, USER_ID)
    holder = write(store, identities, OWNER, another)
    assert (earlier.person_id, holder.person_id) == (PERSON, KEYS.person_id(another))
    erasures.erase(holder.person_id, NOON + SECOND)
    left = identities.peek([USER_ID])
    assert left.session is not None
    assert left.contact is not None
    assert (left.contact.opt_out, left.contact.address) == (None, USER_ID)
    (next_holder,) = identities.records_of(OWNER)
    assert next_holder.person_id == KEYS.next_holder_id(OWNER, holder.person_id)
    assert next_holder.contact is not None
    assert next_holder.contact.opt_out == OptOut(NOON + SECOND, "erasure")


def test_a_record_that_was_joined_meanwhile_is_not_erased_by_an_old_decision(
    store: RedisSessionStore, identities: Identities, erasures: Erasures
) -> None:
    known = write(store, identities, USER_ID)
    write(store, identities, OWNER)
    person = write(store, identities, OWNER, USER_ID)
    loser = ({PERSON, OF_ID} - {person.person_id}).pop()
    conflict = erasures.erase_as_known(replace(known, person_id=loser), NOON)
    assert conflict is not None
    assert conflict.newer.alias == f"{person.person_id} address".encode()
    assert store.load(person.person_id).session is not None


def test_a_person_who_is_joined_during_the_erasure_is_erased_all_the_same(
    store: RedisSessionStore, identities: Identities, erasures: Erasures, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, identities, USER_ID)
    write(store, identities, OWNER)
    loser = max(PERSON, OF_ID)
    look = erasures._records._broadcasts
    looked: list[bool] = []

    def look_and_join() -> list[str]:
        if not looked:
            looked.append(True)
            write(store, identities, OWNER, USER_ID)
        return look()

    monkeypatch.setattr(erasures._records, "_broadcasts", look_and_join)
    assert erasures.erase(loser, NOON)
    for own in (PERSON, OF_ID):
        assert store.load(own).session is None


def test_a_deletion_that_an_earlier_release_wrote_is_done(
    store: RedisSessionStore, erasures: Erasures, client: AnyRedis, sealer: Sealer
) -> None:
    deletion_id = keys.random_id_in(3)
    record = {"address": OWNER, "erased_at": NOON.isoformat()}
    client.set(KEYS.messages_to_delete(deletion_id), sealer.seal(record, "messages", deletion_id))
    deletion = erasures.deletions.find(deletion_id)
    assert deletion == Deletion(OWNER, NOON)
    erasures.erase_other_shards(deletion)
    assert store.load(PERSON).contact is None
