"""The review of yeses that earlier releases wrote down: what rests on no name is taken back, the others count again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from redis import Redis

from onboarding_bot import wiring
from onboarding_bot.conversation.contact import SERVICE, Consent, Contact, Draft
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.storage.session_store import Conflict, StoredPerson
from onboarding_bot.wiring import Parts, build_parts
from tests.broadcasts.people import sender_of
from tests.command_line import run_command
from tests.fakes import NOON, FakeOtpService, MovableClock
from tests.settings import ENVIRONMENT, settings
from tests.talker import Talker

TEXT = Definition(message="The office is closed on Monday", purpose=Purpose.SERVICE)
YES = {SERVICE: Consent(NOON, "SM1", "2026-11.2")}


@pytest.fixture
def parts(redis: Redis, otp_service: FakeOtpService, clock: MovableClock) -> Parts:
    return build_parts(settings(), redis=redis, otp_service=otp_service, clock=clock.clock())


@pytest.fixture(autouse=True)
def here(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program works on the Redis of the test."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        wiring, "build_parts", lambda settings, **fakes: build_parts(settings, **fakes) if fakes else parts
    )


def left_by_the_release_before(parts: Parts, redis: Redis, number: int, name: str, where: str = "session") -> str:
    """Somebody whose yes came with ``name``, as a release wrote it that knew of no rule; the person's id."""
    store, sender = parts.storage.store, sender_of(number)
    data = {"name": name}
    is_registered = where == "registration"
    session = UserSession.start(OnboardingStep.SECTOR, NOON, data if where == "session" else {})
    contact = Contact(
        sender,
        None,
        NOON,
        NOON,
        notice_version="2026-11.2",
        consents=YES,
        draft=Draft(data, NOON) if where == "draft" else None,
        registration=data if is_registered else {},
        completed_at=NOON if is_registered else None,
    )
    known = store.load(store.identify(sender))
    assert isinstance(store.commit(known, session, contact, {}, NOON), StoredPerson)
    redis.hdel(parts.storage.keys.permit(known.person_id), "service_rule")
    return known.person_id


def consents_of(parts: Parts, person_id: str) -> set[str]:
    contact = parts.storage.store.load(person_id).contact
    assert contact is not None
    return set(contact.consents)


def test_a_consent_of_an_earlier_release_lets_nothing_out_until_it_was_reviewed(parts: Parts, redis: Redis) -> None:
    left_by_the_release_before(parts, redis, 1, "Asha Devi")
    left_by_the_release_before(parts, redis, 2, "Not interested")
    counted = parts.broadcasts.audience.count(TEXT)
    assert (counted.recipient_count, counted.skipped["no_consent"], counted.unreviewed) == (0, 2, 2)
    assert run_command("consent", "review") == 0
    counted = parts.broadcasts.audience.count(TEXT)
    assert (counted.recipient_count, counted.skipped["no_consent"], counted.unreviewed) == (1, 1, 0)


@pytest.mark.parametrize("where", ["session", "draft", "registration"])
@pytest.mark.parametrize(
    ("name", "holds"),
    [
        pytest.param("Asha Devi", True, id="a name"),
        pytest.param("Not interested", False, id="a refusal"),
        pytest.param("मुझे नहीं चाहिए", False, id="a refusal in Hindi"),
        pytest.param("good morning", False, id="a greeting"),
    ],
)
def test_a_yes_holds_with_a_name_wherever_that_is_stored(
    parts: Parts, redis: Redis, where: str, name: str, holds: bool
) -> None:
    person_id = left_by_the_release_before(parts, redis, 1, name, where)
    assert run_command("consent", "review") == 0
    assert consents_of(parts, person_id) == ({SERVICE} if holds else set())
    assert (redis.hget(parts.storage.keys.permit(person_id), "service") is not None) == holds


def test_a_doubtful_name_holds_only_when_its_owner_said_so(parts: Parts, redis: Redis) -> None:
    unfinished = left_by_the_release_before(parts, redis, 1, "Start Up Services")
    registered = left_by_the_release_before(parts, redis, 2, "Start Up Services", "registration")
    run_command("consent", "review")
    assert (consents_of(parts, unfinished), consents_of(parts, registered)) == (set(), {SERVICE})


def test_a_doubtful_name_that_was_confirmed_in_the_chat_needs_no_review(talker: Talker, parts: Parts) -> None:
    talker.says_all("Hi", "Start Up Services", "1")
    assert parts.broadcasts.audience.count(TEXT).recipient_count == 1
    talker.says("7")
    assert parts.broadcasts.audience.count(TEXT).recipient_count == 1
    assert parts.people.consent_review.run(dry_run=False).kept == 0


def test_a_person_who_writes_again_with_a_name_counts_without_the_review(
    talker: Talker, parts: Parts, redis: Redis
) -> None:
    talker.says_all("Hi", "Asha Devi")
    redis.hdel(parts.storage.keys.permit(parts.storage.store.identify(talker.sender)), "service_rule")
    assert parts.broadcasts.audience.count(TEXT).recipient_count == 0
    talker.says("7")
    assert parts.broadcasts.audience.count(TEXT).recipient_count == 1


def test_an_admins_yes_needs_no_review(talker: Talker, parts: Parts) -> None:
    talker.says("Hi")
    parts.people.service.record_consent(talker.sender, SERVICE, given=True, key_name="ops", note="by phone")
    assert parts.broadcasts.audience.count(TEXT).recipient_count == 1


def test_an_admins_yes_to_news_reviews_nothing_else(parts: Parts, redis: Redis) -> None:
    left_by_the_release_before(parts, redis, 1, "Not interested")
    parts.people.service.record_consent(sender_of(1), "marketing", given=True, key_name="ops", note="")
    assert next(parts.people.consent_review._unreviewed.person_ids(), None) is not None


def test_the_release_before_may_write_on_beside_this_one(talker: Talker, parts: Parts, redis: Redis) -> None:
    """It sets the time of the yes and leaves the note alone: the same yes goes on to count, another one does not."""
    talker.says_all("Hi", "Asha Devi")
    permit = parts.storage.keys.permit(parts.storage.store.identify(talker.sender))
    redis.hset(permit, "service", redis.hget(permit, "service"))
    assert parts.broadcasts.audience.count(TEXT).recipient_count == 1
    redis.hset(permit, "service", int(NOON.timestamp() * 1000) + 5000)
    assert parts.broadcasts.audience.count(TEXT).unreviewed == 1


def test_a_review_tells_how_far_it_has_come(parts: Parts, redis: Redis) -> None:
    for number in (1, 2):
        left_by_the_release_before(parts, redis, number, "Asha Devi")
    told: list[tuple[str, int, int | None]] = []
    parts.people.consent_review.run(dry_run=True, progress=lambda *progress: told.append(progress))
    assert told == [("people reviewed", 1, None), ("people reviewed", 2, None)]


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(
    parts: Parts, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = left_by_the_release_before(parts, redis, 1, "Asha Devi")
    refused = left_by_the_release_before(parts, redis, 2, "Not interested")
    before = {name: redis.dump(name) for name in redis.scan_iter()}
    assert run_command("consent", "review", "--dry-run") == 0
    told = capsys.readouterr().out
    assert {name: redis.dump(name) for name in redis.scan_iter()} == before
    assert "1  would hold" in told
    assert "1  would be taken back" in told
    assert refused[:8] in told
    assert refused not in told
    assert kept[:8] not in told
    assert "audit" not in told


def test_an_audit_line_stands_before_the_change_and_a_second_run_finds_nobody(
    parts: Parts, redis: Redis, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    person_id = left_by_the_release_before(parts, redis, 1, "Not interested")
    amend, noted = parts.storage.store.amend, []

    def watched(known: StoredPerson, contact: Contact, *, is_reviewed: bool = False) -> StoredPerson | Conflict:
        noted.append(capsys.readouterr().out)
        return amend(known, contact, is_reviewed=is_reviewed)

    monkeypatch.setattr(parts.storage.store, "amend", watched)
    assert run_command("consent", "review") == 0
    line = json.loads(noted[0].splitlines()[0])
    assert (line["event"], line["action"], line["person"]) == ("audit", "consent.review", person_id)
    assert "1  taken back" in capsys.readouterr().out
    assert run_command("consent", "review") == 0
    assert "0 yeses" in capsys.readouterr().out


def test_a_person_who_gives_a_name_meanwhile_keeps_the_consent(
    parts: Parts, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    person_id = left_by_the_release_before(parts, redis, 1, "Not interested")
    store, amend, once = parts.storage.store, parts.storage.store.amend, [True]

    def overtaken(known: StoredPerson, contact: Contact, *, is_reviewed: bool = False) -> StoredPerson | Conflict:
        if once:
            once.clear()
            newer = store.load(person_id)
            assert newer.session is not None
            assert newer.contact is not None
            store.commit(newer, replace(newer.session, data={"name": "Asha Devi"}), newer.contact, {}, NOON)
        return amend(known, contact, is_reviewed=is_reviewed)

    monkeypatch.setattr(store, "amend", overtaken)
    report = parts.people.consent_review.run(dry_run=False)
    assert (report.kept, report.taken_back) == (1, [])
    assert consents_of(parts, person_id) == {SERVICE}


def test_records_that_nobody_can_read_go_on_counting_as_none(
    parts: Parts, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    person_id = left_by_the_release_before(parts, redis, 1, "Asha Devi")
    redis.set(parts.storage.keys.contact(person_id), b"damaged", keepttl=True)
    assert run_command("consent", "review") == 1
    assert "1  unreadable" in capsys.readouterr().out
    assert parts.broadcasts.audience.count(TEXT).recipient_count == 0


def test_it_finds_all_people_in_every_shard(parts: Parts, redis: Redis) -> None:
    people = [left_by_the_release_before(parts, redis, number, "Asha Devi") for number in range(150)]
    assert parts.people.consent_review.run(dry_run=False).kept == len(people)
    assert parts.broadcasts.audience.count(TEXT).recipient_count == len(people)
