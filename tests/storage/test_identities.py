"""A person is one, whichever address a message comes from: on every server, whatever the order of the addresses."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from onboarding_bot.app import create_app
from onboarding_bot.conversation.contact import NEWS
from onboarding_bot.conversation.turn import OtpResult
from onboarding_bot.otp_retry import OtpRetry
from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState
from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.reminders import Reminders
from onboarding_bot.services.twilio_messages import SendResult, Sent
from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.joins import Joins
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.turn_commit import TurnCommitter
from onboarding_bot.wiring import Parts, build_parts
from tests.fakes import FakeOtpService, MovableClock
from tests.inside import forget_addresses
from tests.settings import settings
from tests.talker import Talker, post_signed, webhook_form

ASHA, RAVI, GROUP = "IN.13491208655302741918", "IN.77001", "IN.ENT.5550001"
NUMBER, NEW_NUMBER = "whatsapp:+919876543210", "whatsapp:+919812345678"
FORMATS = Path(__file__).parents[1] / "formats"
TEXT = Definition(message="The fair opens on Monday.")
NEWS_TEXT = Definition(message="New buyers near you!", purpose=Purpose.MARKETING)


@pytest.fixture
def redis(client: AnyRedis) -> AnyRedis:
    return client


@pytest.fixture
def parts(client: AnyRedis, otp_service: FakeOtpService, clock: MovableClock) -> Parts:
    """The worker beside the web process."""
    return build_parts(settings(), redis=client, otp_service=otp_service, clock=clock.clock())


@pytest.fixture
def by_number(app: Flask) -> Talker:
    """Messages that bring the phone number alone."""
    return Talker(app, NUMBER)


@pytest.fixture
def by_both(app: Flask) -> Talker:
    """The same owner, with the number and the id."""
    return Talker(app, NUMBER, ASHA)


@pytest.fixture
def by_id(by_both: Talker) -> Talker:
    """The same owner, who hides the number."""
    return by_both.hiding_the_number()


@pytest.fixture
def ravi(app: Flask) -> Talker:
    """Somebody else, who gets the number."""
    return Talker(app, NUMBER, RAVI)


def send_into(sent_to: list[str], sender: Reminders | OtpRetry) -> None:
    """Let the worker's part send nothing, and write down to which address it would."""

    def send(address: str, _text: str) -> Sent:
        sent_to.append(address)
        return Sent(SendResult.ACCEPTED)

    sender._send = send


# --- which addresses lead to one person ----------------------------------------------------------------------------

WAYS = {"number": "by_number", "id": "by_id", "both": "by_both"}
ORDERS = [
    pytest.param(("number", "both", "id"), id="adopted, then hidden"),
    pytest.param(("both", "id", "number"), id="both, hidden, an old webhook"),
    pytest.param(("both", "number", "id"), id="both, an old webhook, hidden"),
    pytest.param(("id", "both", "number"), id="hidden first"),
    pytest.param(("id", "both", "id"), id="shown in between"),
    pytest.param(("both", "both", "both"), id="both always"),
]


@pytest.mark.parametrize("restarts", [False, True], ids=["one process", "another process each time"])
@pytest.mark.parametrize("order", ORDERS)
def test_every_address_leads_to_one_person(
    app: Flask, request: pytest.FixtureRequest, clock: MovableClock, order: Sequence[str], restarts: bool
) -> None:
    talkers = [request.getfixturevalue(WAYS[way]) for way in order]
    for talker, text in zip(talkers, ("Hi", "UPDATES", "Asha Devi"), strict=True):
        clock.pass_(seconds=1)
        talker.says(text)
        if restarts:
            forget_addresses(app)
    talkers[0].says("7")
    assert len({talker.stored.person_id for talker in talkers}) == 1
    for talker in talkers:
        talker.expects_step("pincode").expects_data(name="Asha Devi", sector="Retail")
        assert NEWS in talker.stored.contact.consents
        assert talker.stored.contact.address == talkers[0].stored.contact.address
    assert sum(talkers[0].store.add_up(clock.moment).sessions.values()) == 1
    # Replies and broadcasts go to where the person wrote from last.
    last = talkers[-1].says("560001")
    assert last.stored.contact.address == (f"whatsapp:{ASHA}" if order[-1] == "id" else NUMBER)


@pytest.mark.parametrize("restarts", [False, True], ids=["one process", "another process each time"])
@pytest.mark.parametrize(
    ("first", "link", "then"),
    [
        pytest.param({}, {"ExternalUserId": ASHA}, {"From": f"whatsapp:{ASHA}"}, id="without the channel"),
        pytest.param({}, {"ExternalUserId": f"whatsapp:{ASHA}"}, {"From": f"whatsapp:{ASHA}"}, id="with the channel"),
        pytest.param({}, {"ParentExternalUserId": GROUP}, {"From": f"whatsapp:{GROUP}"}, id="the group's"),
        pytest.param(
            {"From": f"whatsapp:{GROUP}"},
            {"ExternalUserId": ASHA, "ParentExternalUserId": GROUP},
            {"From": f"whatsapp:{ASHA}"},
            id="the group's first, then all three",
        ),
        pytest.param(
            {"From": f"whatsapp:{ASHA}", "ParentExternalUserId": GROUP},
            {"ParentExternalUserId": GROUP},
            {"From": f"whatsapp:{ASHA}"},
            id="linked by the group's alone",
        ),
        pytest.param(
            {"From": f"whatsapp:{ASHA}"},
            {"From": f"whatsapp:{ASHA}", "ParentExternalUserId": f"whatsapp:{GROUP}"},
            {"From": NUMBER, "ParentExternalUserId": GROUP},
            id="two ids, and the number at last",
        ),
        pytest.param(
            {"ExternalUserId": "IN." + "a" * 128}, {}, {"From": "whatsapp:IN." + "a" * 128}, id="128 characters"
        ),
        pytest.param(
            {"ExternalUserId": "IN.ENT." + "Z9" * 64}, {}, {"From": "whatsapp:IN.ENT." + "Z9" * 64}, id="a group's 128"
        ),
    ],
)
def test_every_message_that_links_two_addresses_is_learnt_from(
    app: Flask, by_number: Talker, first: dict[str, str], link: dict[str, str], then: dict[str, str], restarts: bool
) -> None:
    for text, fields in (("Hi", first), ("Asha Devi", link), ("STOP", then)):
        by_number.says(text, **fields)
        if restarts:
            forget_addresses(app)
    by_number.says("7", **then).hears("")
    for fields in (link, then):
        by_number.says("STATUS", **fields).hears("Asha Devi", "Retail")
    number = by_number.stored
    assert number.session.data == {"name": "Asha Devi", "sector": "Retail"}
    assert number.contact.opt_out is not None


def test_an_id_that_is_none_links_nothing(app: Flask, by_number: Talker) -> None:
    for given in ("", "IN.", "IN." + "a" * 129, "IND.77", "whatsapp:", "IN.a b", "+919812345678"):
        by_number.says("Hi", ExternalUserId=given, ParentExternalUserId=given)
    assert by_number.stored.link is None


# --- what one person has one of ------------------------------------------------------------------------------------


def test_a_registered_owner_is_not_welcomed_anew(by_both: Talker, by_id: Talker, by_number: Talker) -> None:
    by_both.answers_everything().says("YES").hears("token=")
    for talker in (by_id, by_number, by_both):
        talker.says("Hi").expects_step("completed").hears("already registered")
        assert talker.stored.contact.registration["name"] == "Asha Devi"


@pytest.mark.parametrize("met", ["together", "apart"])
def test_otp_requests_of_all_addresses_count_together(
    by_both: Talker,
    by_id: Talker,
    by_number: Talker,
    clock: MovableClock,
    otp_service: FakeOtpService,
    met: str,
) -> None:
    """Each time another phone number is given, so that only the person's own limit stands in the way."""
    if met == "together":
        by_both.says("Hi")
    talkers = [by_number, by_id] * 2 + [by_both] * 3
    for attempt, talker in enumerate(talkers):
        clock.pass_(minutes=2)
        talker.says_all("Hi", "Asha Devi", "7", "560001") if attempt < 2 and met == "apart" else talker.says("Hi")
        if attempt == 0 and met == "together":
            talker.says_all("Asha Devi", "7", "560001")
        talker.says(f"98765 4321{attempt}")
        talker.says("YES")
        if attempt < 6:
            talker.says("NO").says("4") if talker.stored.session.current_step == "confirmation" else None
    assert len(by_both.stored.contact.otp_requests) <= 5
    assert len(otp_service.requests) <= 5


def test_the_limit_of_a_phone_number_holds_whichever_address_asks(
    by_id: Talker, by_both: Talker, clock: MovableClock, otp_service: FakeOtpService
) -> None:
    by_both.answers_everything().says("YES")
    for attempt in range(6):
        clock.pass_(minutes=2)
        (by_id, by_both)[attempt % 2].says("LOGIN")
    assert len(otp_service.requests) == 5


@pytest.mark.parametrize("restarts", [False, True], ids=["one process", "another process"])
def test_a_copy_under_the_other_address_is_answered_once(
    app: Flask, by_both: Talker, by_id: Talker, otp_service: FakeOtpService, restarts: bool
) -> None:
    by_both.answers_everything()
    reply = by_both.says("YES").hears("token=").reply
    if restarts:
        forget_addresses(app)
    assert by_id.says("YES", sid=by_both.sid).reply == reply
    assert by_both.says("YES", sid=by_both.sid).reply == reply
    assert len(otp_service.requests) == 1


def test_an_otp_that_is_out_while_two_records_are_joined_is_told_of(
    app: Flask, by_number: Talker, by_both: Talker, by_id: Talker, otp_service: FakeOtpService, clock: MovableClock
) -> None:
    by_number.answers_everything()
    by_id.says("Hi")

    def writes_meanwhile() -> None:
        clock.pass_(seconds=1)
        by_both.says("STATUS")

    otp_service.during = writes_meanwhile
    clock.pass_(seconds=1)
    reply = by_number.says("YES").hears("token=").reply
    by_both.expects_step("completed")
    assert by_both.says("YES", sid=by_number.sid).reply == reply
    assert len(otp_service.requests) == 1


@pytest.mark.parametrize(
    ("in_first", "in_second"),
    [
        pytest.param(["Hi", "STOP"], ["Hi", "UPDATES"], id="STOP before a yes"),
        pytest.param(["Hi", "UPDATES"], ["Hi", "STOP"], id="STOP after a yes"),
        pytest.param(["STOP"], ["Hi"], id="STOP as the first word"),
    ],
)
@pytest.mark.parametrize("first", ["number", "id"])
def test_the_stricter_consent_holds_for_the_joined_record(
    request: pytest.FixtureRequest,
    by_both: Talker,
    clock: MovableClock,
    in_first: list[str],
    in_second: list[str],
    first: str,
) -> None:
    ways = ["by_number", "by_id"] if first == "number" else ["by_id", "by_number"]
    for way, texts in zip(ways, (in_first, in_second), strict=True):
        request.getfixturevalue(way).says_all(*texts)
        clock.pass_(minutes=1)
    by_both.says("Hi")
    for way in (*ways, "by_both"):
        contact = request.getfixturevalue(way).stored.contact
        assert contact.opt_out is not None
        assert NEWS not in contact.consents


@pytest.mark.parametrize("no_first", [True, False], ids=["the no came first", "the yes came first"])
@pytest.mark.parametrize("first", ["by_number", "by_id"])
def test_a_no_to_news_in_either_record_is_a_no(
    request: pytest.FixtureRequest,
    by_both: Talker,
    clock: MovableClock,
    parts: Parts,
    first: str,
    no_first: bool,
) -> None:
    one: Talker = request.getfixturevalue(first)
    other: Talker = request.getfixturevalue("by_id" if first == "by_number" else "by_number")
    texts = [["Hi", "Asha Devi", "UPDATES", "STOP UPDATES"], ["Hi", "Asha Devi", "UPDATES"]]
    for talker, said in zip((one, other), texts if no_first else texts[::-1], strict=True):
        talker.says_all(*said)
        clock.pass_(minutes=1)
    by_both.says("7")
    contact = by_both.stored.contact
    assert contact.opt_out is None
    assert contact.news_ended is not None
    assert NEWS not in contact.consents
    assert Broadcast(parts, NEWS_TEXT).rows == {by_both.stored.person_id: "skipped no_consent"}


# --- broadcasts ----------------------------------------------------------------------------------------------------


class Broadcast:
    """A broadcast to everybody, as the workers make and send it."""

    def __init__(self, parts: Parts, definition: Definition = TEXT) -> None:
        self._parts, self._definition, now = parts, definition, parts.clock.now()
        self.id, _ = parts.storage.broadcast_records.create(definition, now, None)
        parts.storage.audiences.fix(self.id, None, now)
        parts.storage.broadcast_records.transition(self.id, BroadcastStatus.SENDING, [BroadcastStatus.COUNTING])
        for shard in range(keys.SHARDS):
            if people := parts.storage.audiences.people(self.id, shard, 0):
                parts.storage.recipients.add(self.id, shard, people, definition, now)

    @property
    def rows(self) -> dict[str, str]:
        """Everybody's row: its state, and the reason."""
        pages = self._parts.storage.recipients.all(self.id)
        return {row.person_id: f"{row.state} {row.code}".strip() for page in pages for row in page}

    def claims(self, person_id: str) -> str | None:
        """Where the message goes that is about to be sent, if it may be."""
        contact = self._parts.storage.recipients.claim(self.id, person_id, self._definition, self._parts.clock.now())
        return contact.address if contact else None

    def sends(self, person_id: str) -> str | None:
        """Where the message went, if it did."""
        address = self.claims(person_id)
        if address:
            self._parts.storage.recipients.record_send(
                self.id, person_id, RecipientState.SENT, message_sid=f"SM{person_id}"
            )
        return address

    def is_told(self, person_id: str, status: str, code: int = 0) -> None:
        """Twilio tells what became of the message."""
        self._parts.broadcasts.status_callbacks.apply(self.id, person_id, f"SM{person_id}", status, code)


def test_one_person_has_one_row_and_one_frequency_count(
    by_both: Talker, by_id: Talker, by_number: Talker, parts: Parts
) -> None:
    by_both.says_all("Hi", "UPDATES", "Asha Devi")
    by_id.says("7")
    person = by_number.says("560001").stored.person_id
    first, second = Broadcast(parts, NEWS_TEXT), Broadcast(parts, NEWS_TEXT)
    assert set(first.rows) == {person}
    assert first.sends(person) == NUMBER
    assert second.sends(person) is None
    assert second.rows == {person: "skipped frequency"}


def test_a_message_goes_to_the_address_that_was_written_from_last(
    by_both: Talker, by_id: Talker, by_number: Talker, parts: Parts
) -> None:
    by_both.says_all("Hi", "Asha Devi")
    for talker, address in ((by_id, f"whatsapp:{ASHA}"), (by_number, NUMBER), (by_id, f"whatsapp:{ASHA}")):
        broadcast = Broadcast(parts)
        assert broadcast.sends(talker.says("HELP").stored.person_id) == address


@pytest.fixture
def met_apart(by_number: Talker, by_id: Talker, clock: MovableClock) -> tuple[str, str]:
    """Two records of one person, the older one under the number; their ids."""
    by_number.says_all("Hi", "Asha Devi", "UPDATES")
    clock.pass_(minutes=1)
    by_id.says_all("Hi", "Asha Devi", "UPDATES")
    clock.pass_(minutes=1)
    return by_number.stored.person_id, by_id.stored.person_id


def test_of_joined_records_only_one_is_sent_to(met_apart: tuple[str, str], by_both: Talker, parts: Parts) -> None:
    winner, loser = met_apart
    broadcast = Broadcast(parts)
    by_both.says("7")
    assert broadcast.rows == {winner: "pending", loser: "skipped suppressed"}
    assert broadcast.claims(loser) is None
    assert broadcast.sends(winner) == NUMBER
    assert parts.storage.recipients.counts(broadcast.id)["skipped:suppressed"] == 1


@pytest.mark.parametrize("state", ["sending", "sent", "delivered"])
def test_who_got_the_message_under_the_other_record_gets_it_once(
    met_apart: tuple[str, str], by_both: Talker, parts: Parts, state: str
) -> None:
    winner, loser = met_apart
    broadcast = Broadcast(parts)
    broadcast.claims(loser) if state == "sending" else broadcast.sends(loser)
    if state == "delivered":
        broadcast.is_told(loser, "delivered")
    by_both.says("7")
    assert broadcast.rows == {winner: "skipped suppressed", loser: state}
    broadcast.is_told(loser, "read")
    assert broadcast.rows[loser] == "read"
    assert broadcast.claims(winner) is None


def test_a_failure_that_is_told_of_later_leaves_no_third_row(
    met_apart: tuple[str, str], by_both: Talker, parts: Parts
) -> None:
    winner, loser = met_apart
    broadcast = Broadcast(parts)
    broadcast.sends(loser)
    by_both.says("7")
    broadcast.is_told(loser, "undelivered", 63016)
    assert broadcast.rows == {winner: "skipped suppressed", loser: "failed 63016"}


@pytest.mark.parametrize("code", [21610, 63014])
@pytest.mark.parametrize("told", ["before the join", "after it"])
def test_what_twilio_says_of_one_record_holds_for_the_person(
    met_apart: tuple[str, str], by_both: Talker, parts: Parts, code: int, told: str
) -> None:
    winner, loser = met_apart
    broadcast = Broadcast(parts)
    broadcast.sends(loser)
    if told == "before the join":
        broadcast.is_told(loser, "failed", code)
        by_both.says("7")
    else:
        by_both.says("7")
        broadcast.is_told(loser, "failed", code)
    # A message of the person's lifts what an error said, but no STOP that Twilio heard; a block has ended the yes.
    is_suppressed = code == 21610 or told == "after it"
    assert Broadcast(parts, NEWS_TEXT).rows == {winner: "skipped suppressed" if is_suppressed else "skipped no_consent"}


@pytest.mark.parametrize("sent_to", ["winner", "loser"])
def test_the_frequency_of_both_records_counts(
    met_apart: tuple[str, str], by_both: Talker, parts: Parts, sent_to: str
) -> None:
    winner, loser = met_apart
    assert Broadcast(parts, NEWS_TEXT).sends(winner if sent_to == "winner" else loser)
    by_both.says("7")
    assert Broadcast(parts, NEWS_TEXT).rows == {winner: "skipped frequency"}


# --- adoption ------------------------------------------------------------------------------------------------------

STORED_PEOPLE: dict[str, dict[str, Any]] = {
    f"{path.stem}: {person['name']}": person
    for path in sorted(FORMATS.glob("*.json"))
    for person in json.loads(path.read_text())["people"]
}
PEOPLE = [pytest.param(person, id=name) for name, person in STORED_PEOPLE.items()]


def left_by_a_release(app: Flask, client: AnyRedis, clock: MovableClock, person: dict[str, Any]) -> Talker:
    """That person, as the release stored them, who writes with an id from now on."""
    for name, value in person["redis"].items():
        client.set(name, base64.b64decode(value))
    clock.moment = datetime.fromisoformat(person["now"])
    return Talker(app, person["address"], ASHA)


@pytest.mark.parametrize("person", PEOPLE)
def test_a_person_whom_a_release_knew_by_number_is_recognised(
    app: Flask, client: AnyRedis, clock: MovableClock, person: dict[str, Any]
) -> None:
    asha = left_by_a_release(app, client, clock, person)
    asha.says(person["says"]).expects_step(person["step"]).hears(person["hears"])
    before, records = asha.stored, person["records"]
    hidden = asha.hiding_the_number()
    assert hidden.stored.session == before.session
    assert records["contact"].get("registration", {}).items() <= hidden.stored.contact.registration.items()
    assert (hidden.stored.contact.opt_out is None) == (records["opt_out"] is None)
    if person["last_sid"]:
        hidden.says("what Twilio delivers once more", sid=person["last_sid"])
        assert hidden.stored.session_version == before.session_version


def test_a_first_message_with_an_id_finds_the_reply_of_the_release_before(
    app: Flask, client: AnyRedis, clock: MovableClock
) -> None:
    person = next(person for person in STORED_PEOPLE.values() if person["last_sid"])
    asha = left_by_a_release(app, client, clock, person)
    before = asha.stored.session
    asha.says("what Twilio delivers once more", sid=person["last_sid"])
    assert asha.stored.session == before


@pytest.mark.parametrize(
    ("days", "is_adopted"),
    [(0, True), (1, True), (59, True), (60, False), (61, False), (179, False)],
)
def test_the_rule_of_sixty_days(
    by_number: Talker, by_both: Talker, by_id: Talker, clock: MovableClock, days: int, is_adopted: bool
) -> None:
    by_number.answers_everything().says_all("YES", "STOP")
    clock.pass_(days=days)
    by_both.says("Hi").expects_step("completed" if is_adopted else "name")
    for talker in (by_both, by_id, by_number):
        assert talker.stored.contact.opt_out is not None
        assert bool(talker.stored.contact.registration) == is_adopted


@pytest.fixture
def after_silence(by_number: Talker, by_both: Talker, clock: MovableClock, client: AnyRedis) -> Talker:
    """A number whose registered owner was silent for long, and from which somebody writes with an id now."""
    by_number.answers_everything().says_all("YES", "UPDATES")
    clock.pass_(days=61)
    # Redis counts the days by its own clock.
    client.delete(*(name for name in [_keys(by_number).session(by_number.stored.person_id)]))
    return by_both


def _keys(talker: Talker) -> keys.Keys:
    found: keys.Keys = talker.store._keys
    return found


def test_a_hidden_record_is_not_used(after_silence: Talker, by_number: Talker, parts: Parts) -> None:
    hidden = by_number.stored.person_id
    after_silence.says("Hi").hears("Welcome").does_not_hear("Asha").expects_step("name")
    assert after_silence.stored.person_id != hidden
    assert by_number.stored.person_id == after_silence.stored.person_id
    for definition in (TEXT, NEWS_TEXT):
        assert Broadcast(parts, definition).rows[hidden] == "skipped suppressed"
    assert parts.people.service.look_up(NUMBER).person_id == after_silence.stored.person_id


@pytest.mark.parametrize("proves", ["the number", "another number"])
def test_an_otp_proves_whose_the_hidden_record_is(
    app: Flask, after_silence: Talker, by_id: Talker, by_number: Talker, proves: str, parts: Parts, clock: MovableClock
) -> None:
    hidden = by_number.stored.person_id
    after_silence.says_all("Hi", "Asha D", "6", "560002", "98765 43210" if proves == "the number" else "98123 45678")
    clock.pass_(minutes=1)
    token = after_silence.says("YES").hears("token=").reply.split("token=")[1].split()[0].split("&")[0]
    clock.pass_(minutes=1)
    answer = app.test_client().post(
        "/handoff", json={"token": token}, headers={"Authorization": "Bearer handoff-key-of-the-tests"}
    )
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.get_json()["name"] == "Asha D"
    is_proved = proves == "the number"
    for talker in (after_silence, by_id, by_number):
        assert (NEWS in talker.stored.contact.consents) == is_proved
        assert talker.stored.contact.registration["name"] == "Asha D"
    again = app.test_client().post(
        "/handoff", json={"token": token}, headers={"Authorization": "Bearer handoff-key-of-the-tests"}
    )
    assert again.status_code == 200
    present = after_silence.stored.person_id
    rows = Broadcast(parts, NEWS_TEXT).rows
    assert rows == {present: "pending"} if is_proved else rows[hidden] == "skipped suppressed"


def test_a_message_during_the_proof_loses_neither(
    app: Flask, after_silence: Talker, by_id: Talker, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_silence.says_all("Hi", "Asha D", "6", "560002", "98765 43210")
    clock.pass_(minutes=1)
    token = after_silence.says("YES").hears("token=").reply.split("token=")[1].split()[0].split("&")[0]
    commit = TurnCommitter.commit_joined
    said: list[Talker] = []

    def write_first(*what: Any) -> Any:
        if not said:
            said.append(by_id.says("STOP"))
        return commit(*what)

    monkeypatch.setattr(TurnCommitter, "commit_joined", write_first)
    headers = {"Authorization": "Bearer handoff-key-of-the-tests"}
    assert app.test_client().post("/handoff", json={"token": token}, headers=headers).status_code == 200
    contact = after_silence.stored.contact
    assert contact.opt_out is not None
    assert contact.first_inbound_at < clock.moment - timedelta(days=60)


# --- numbers that are passed on ------------------------------------------------------------------------------------

FIRST_MET = [pytest.param("by_both", id="met by number"), pytest.param("by_id", id="met by id")]


@pytest.fixture(params=FIRST_MET)
def asha(request: pytest.FixtureRequest, by_both: Talker) -> Talker:
    """Who has the number first."""
    request.getfixturevalue(request.param).says("Hi")
    return by_both.says("Asha Devi")


def test_who_gets_a_number_sees_nothing_of_the_earlier_one(
    app: Flask, asha: Talker, ravi: Talker, by_number: Talker, by_id: Talker, parts: Parts
) -> None:
    asha.says("STOP")
    ravi.says("Hi").hears("Welcome").does_not_hear("Asha").expects_step("name").expects_data()
    assert ravi.stored.contact.opt_out is None
    assert by_id.stored.contact.opt_out is not None
    assert by_id.stored.contact.address == f"whatsapp:{ASHA}"
    forget_addresses(app)
    # The number alone means its present holder.
    by_number.says("Ravi Kumar").expects_step("sector")
    assert parts.people.service.look_up(NUMBER).person_id == ravi.stored.person_id
    assert parts.people.service.look_up(f"whatsapp:{ASHA}").person_id == by_id.stored.person_id
    by_id.says("7").expects_data(name="Asha Devi", sector="Retail")
    ravi.hiding_the_number().expects_data(name="Ravi Kumar")


@pytest.mark.parametrize("restarts", [False, True], ids=["one process", "another process each time"])
def test_a_number_goes_to_and_fro(app: Flask, asha: Talker, ravi: Talker, by_number: Talker, restarts: bool) -> None:
    third = Talker(app, NUMBER, "IN.3")
    names = {ASHA: "Asha Devi", RAVI: "Ravi Kumar", "IN.3": "Meera Shah"}
    ravi.says_all("Hi", names[RAVI])
    third.says_all("Hi", names["IN.3"])
    for present in (asha, third, ravi, asha, ravi, third, asha):
        if restarts:
            forget_addresses(app)
        present.says("STATUS").hears(names[present.user_id])
        by_number.says("STATUS").hears(names[present.user_id])
        for talker in (asha, ravi, third):
            stored = talker.hiding_the_number().stored
            assert stored.contact.address == (NUMBER if talker is present else f"whatsapp:{talker.user_id}")
            assert stored.session.data["name"] == names[talker.user_id]


def test_a_broadcast_goes_to_nobody_but_the_holder_by_number(asha: Talker, ravi: Talker, parts: Parts) -> None:
    earlier = asha.says("7").stored.person_id
    broadcast = Broadcast(parts)
    ravi.says_all("Hi", "Ravi Kumar")
    assert broadcast.sends(earlier) == f"whatsapp:{ASHA}"
    assert Broadcast(parts).sends(ravi.stored.person_id) == NUMBER


def test_an_admins_no_by_number_means_the_present_holder(
    asha: Talker, ravi: Talker, by_id: Talker, parts: Parts
) -> None:
    ravi.says_all("Hi", "Ravi Kumar")
    parts.people.service.record_consent(NUMBER, "service", given=False, key_name="desk", note="")
    assert ravi.stored.contact.opt_out is not None
    assert by_id.stored.contact.opt_out is None


def test_a_reminder_goes_to_the_user_id(asha: Talker, ravi: Talker, parts: Parts, clock: MovableClock) -> None:
    ravi.says("Hi")
    clock.pass_(hours=5)
    sent_to: list[str] = []
    send_into(sent_to, parts.conversation.reminders)
    for work, person_id in parts.storage.store.take_due(clock.moment, timedelta(minutes=1)):
        assert work is DueWork.REMINDER
        parts.conversation.reminders.remind(person_id)
    assert sorted(sent_to) == [NUMBER, f"whatsapp:{ASHA}"], "the number is Ravi's by now"


def test_the_notification_of_an_otp_retry_goes_where_the_person_is_by_then(
    asha: Talker, ravi: Talker, by_id: Talker, parts: Parts, clock: MovableClock, otp_service: FakeOtpService
) -> None:
    asha.says_all("7", "560001", "98765 43210")
    otp_service.result = OtpResult.NOT_SENT
    asha.says("YES")
    clock.pass_(minutes=10)
    otp_service.result = OtpResult.SENT
    otp_service.during = lambda: ravi.says("Hi")
    taken = parts.storage.store.take_due(clock.moment, timedelta(minutes=1))
    due = [person_id for work, person_id in taken if work is DueWork.OTP]
    assert due == [by_id.stored.person_id]
    sent_to: list[str] = []
    send_into(sent_to, parts.conversation.otp_retry)
    parts.conversation.otp_retry.retry(due[0])
    assert sent_to == [f"whatsapp:{ASHA}"]


def test_a_new_number_is_a_new_person(app: Flask, asha: Talker) -> None:
    new = Talker(app, NEW_NUMBER, "IN.9")
    new.says("Hi").hears("Welcome").expects_data()
    asha.expects_data(name="Asha Devi")


def test_the_stop_of_an_earlier_holder_outlives_the_record(
    app: Flask, asha: Talker, ravi: Talker, by_id: Talker, client: AnyRedis, clock: MovableClock
) -> None:
    """Whoever gets the number after years is somebody else, of whom the earlier one sees nothing."""
    asha.says("STOP")
    expire_records(client, asha)
    clock.pass_(days=200)
    forget_addresses(app)
    ravi.says_all("Hi", "Ravi Kumar")
    forget_addresses(app)
    assert by_id.stored.contact.opt_out is not None
    by_id.says("STATUS").does_not_hear("Ravi")
    assert by_id.stored.person_id != ravi.stored.person_id


def expire_records(client: AnyRedis, talker: Talker) -> None:
    """Let pass whatever has an end of its own."""
    keys_, person = _keys(talker), talker.stored.person_id
    ends = [keys_.session(person), keys_.contact(person), keys_.draft(person), keys_.link(person), keys_.permit(person)]
    ends += [keys_.alias(keys_.person_id(address)) for address in (NUMBER, f"whatsapp:{ASHA}", f"whatsapp:{RAVI}")]
    for name in ends:
        if client.pttl(name) > 0:
            client.delete(name)


# --- at once -------------------------------------------------------------------------------------------------------


def at_once(app: Flask, forms: Sequence[dict[str, Any]]) -> list[str]:
    """Post all these at the same moment; what they were answered, once Twilio's retries are through."""

    def delivered(form: dict[str, Any]) -> str:
        for _ in range(5):
            response = post_signed(app.test_client(), form)
            if response.status_code == 200:
                break
        assert response.status_code == 200, response.get_data(as_text=True)
        return response.get_data(as_text=True)

    with ThreadPoolExecutor(len(forms)) as pool:
        return list(pool.map(delivered, forms))


FORMS: list[dict[str, str]] = [
    {"From": NUMBER},
    {"From": f"whatsapp:{ASHA}", "ExternalUserId": ASHA},
    {"From": NUMBER, "ExternalUserId": ASHA},
    {"From": NUMBER, "ExternalUserId": ASHA, "ParentExternalUserId": GROUP},
]


def form(text: str, sid: str, **fields: str) -> dict[str, Any]:
    return {**webhook_form(text, NUMBER, sid), **fields}


@pytest.fixture
def real_clock_app(app: Flask, client: AnyRedis, otp_service: FakeOtpService) -> Flask:
    """An app by the machine's clock, because threads that wait for one another cannot share one that stands still."""
    return create_app(settings(), redis=client, otp_service=otp_service)


@pytest.mark.parametrize("known", [False, True], ids=["first contact", "a known person"])
@pytest.mark.parametrize("attempt", range(3))
def test_messages_under_all_addresses_at_once(real_clock_app: Flask, known: bool, attempt: int) -> None:
    by_both = Talker(real_clock_app, NUMBER, ASHA)
    if known:
        by_both.says("Hi")
    sids = [f"SM{attempt:016x}{number:016x}" for number in range(2 * len(FORMS))]
    at_once(real_clock_app, [form("STOP", sid, **FORMS[number % len(FORMS)]) for number, sid in enumerate(sids)])
    by_both.says("HELP")
    for fields in FORMS:
        sender, given = fields["From"], fields.get("ExternalUserId", "")
        one = Talker(real_clock_app, NUMBER, given, hides_number=sender != NUMBER).stored
        assert one.person_id == by_both.stored.person_id
        assert one.contact.opt_out is not None
        assert {sid for sid in sids if one.session.recall(sid)} == set(sids)
    assert sum(by_both.store.add_up(one.session.updated_at).sessions.values()) == 1


def test_a_join_left_by_another_process_is_ended_although_the_record_was_new_meanwhile(
    app: Flask, client: AnyRedis, otp_service: FakeOtpService, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process looked under the number before anything stood there, and met the joined record afterwards."""
    other = create_app(settings(), redis=client, otp_service=otp_service, clock=clock.clock())
    Talker(other, NUMBER, ASHA, hides_number=True).says("Hi")
    load, finish, number_id = RedisSessionStore.load_together, Joins.finish, Talker(app).store.identify(NUMBER)

    def load_and_be_overtaken(store: RedisSessionStore, people: Sequence[str], sid: str = "") -> Any:
        loaded = load(store, people, sid)
        monkeypatch.setattr(RedisSessionStore, "load_together", load)
        clock.pass_(seconds=5)  # the record under the id was met first, and stays
        Talker(other, NUMBER).says("Hi")
        monkeypatch.setattr(Joins, "finish", lambda _self, stored, _now, _commit: stored)
        Talker(other, NUMBER, ASHA).says("STATUS")
        monkeypatch.setattr(Joins, "finish", finish)
        assert Talker(app).store.load(number_id).has_record
        return loaded

    monkeypatch.setattr(RedisSessionStore, "load_together", load_and_be_overtaken)
    Talker(app, NUMBER, ASHA).says("HELP")
    assert not Talker(app).store.load(number_id).has_record


def test_copies_under_both_addresses_at_once_are_answered_once(
    real_clock_app: Flask, otp_service: FakeOtpService
) -> None:
    by_both = Talker(real_clock_app, NUMBER, ASHA).answers_everything()
    answers = at_once(real_clock_app, [form("YES", "SM" + "e" * 32, **fields) for fields in FORMS * 2])
    assert len(set(answers)) == 1
    assert "token=" in answers[0]
    assert len(otp_service.requests) == 1
    by_both.expects_step("completed")
