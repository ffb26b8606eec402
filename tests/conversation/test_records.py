"""What is stored comes back as it was: sessions, contacts and replies of this release, of older and of newer ones."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding_bot.conversation import reply as replies
from onboarding_bot.conversation.contact import OTP_DAY, Consent, Contact, Draft, OptOut, OtpRequest
from onboarding_bot.conversation.reply import Part, TextRef, Url
from onboarding_bot.conversation.session import (
    REMEMBERED_FOR,
    REMEMBERED_REPLIES,
    OnboardingStep,
    OtpIntention,
    OtpPurpose,
    RateLimitWindow,
    RememberedReply,
    Reservation,
    UserSession,
)

NOW = datetime(2026, 11, 22, 6, 30, 15, 123456, tzinfo=UTC)
REPLY = (
    Part("welcome"),
    Part("sector.accepted", {"sector": TextRef("sector.retail")}),
    Part("pincode.count", {"typed": "560 01", "count": 5}),
    Part("completed.link", {"link": Url("https://app.example.in/login?token=a.b.c")}),
)
DATA = {"name": "आशा देवी", "sector": "Retail", "pincode": "560001", "phone": "+919876543210"}
RESERVATION = Reservation("id.1", "+919876543210")
INTENTION = OtpIntention(
    "id",
    OtpPurpose.LOGIN,
    RESERVATION,
    lease_until=NOW + timedelta(seconds=10),
    since=NOW,
    attempt=3,
    trace_id="0af7651916cd43dd8448eb211c80319c",
)
SESSION = UserSession(
    current_step=OnboardingStep.CONFIRMATION,
    created_at=NOW - timedelta(hours=1),
    updated_at=NOW,
    data=DATA,
    choosing=True,
    changing=True,
    wrong_answers=2,
    voice_notes=1,
    reminders_sent=1,
    intention=INTENTION,
    spare_reservation=Reservation("id.0", "+919876543211"),
    handoff_id="handoff",
    rate_limit_window=RateLimitWindow(NOW - timedelta(seconds=30), messages=61, warned=True),
    remembered=(
        RememberedReply("SM1", NOW, REPLY, "hi"),
        RememberedReply("SM2", NOW, reply=(), language=None),
        RememberedReply("SM3", NOW, reply=None, intention_id="id", lease_until=NOW + timedelta(seconds=10)),
    ),
    entered_at=NOW - timedelta(minutes=2),
    doubtful_name="Start Up Services",
    confirmed_name="Start Up Services",
)
CONTACT = Contact(
    address="whatsapp:IN.1234",
    language="hi",
    first_inbound_at=NOW - timedelta(days=30),
    last_inbound_at=NOW,
    notice_version="2026-11",
    consents={"service": Consent(NOW, "SM1", "2026-11")},
    completed_at=NOW,
    asked_for_messages_at=NOW - timedelta(days=2),
    news_ended=OptOut(NOW - timedelta(days=1), "SM3"),
    registration=DATA,
    otp_requests=(OtpRequest("id.1", NOW - timedelta(hours=3)), OtpRequest("id.2", NOW)),
)
DRAFT = Draft(DATA, NOW)
OPT_OUT = OptOut(NOW, "SM2")
BARE_SESSION = UserSession(OnboardingStep.NAME, NOW, NOW)
BARE_CONTACT = Contact("whatsapp:+919876543210", None, NOW, NOW)


def through_json(record: Any) -> Any:
    return json.loads(json.dumps(record, ensure_ascii=False))


# --- round trips ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "session",
    [
        pytest.param(BARE_SESSION, id="bare"),
        pytest.param(SESSION, id="full"),
        *(pytest.param(replace(SESSION, current_step=step), id=step) for step in OnboardingStep),
        pytest.param(
            replace(SESSION, intention=replace(INTENTION, lease_until=None)),
            id="an intention that nobody works on",
        ),
    ],
)
def test_a_session_comes_back_as_it_was(session: UserSession) -> None:
    assert UserSession.from_record(through_json(session.to_record())) == session


@pytest.mark.parametrize("contact", [pytest.param(BARE_CONTACT, id="bare"), pytest.param(CONTACT, id="full")])
def test_a_contact_comes_back_as_it_was(contact: Contact) -> None:
    assert Contact.from_record(through_json(contact.to_record())) == contact


def test_a_draft_and_an_opt_out_come_back_as_they_were_and_are_stored_apart() -> None:
    assert Draft.from_record(through_json(DRAFT.to_record())) == DRAFT
    assert OptOut.from_record(through_json(OPT_OUT.to_record())) == OPT_OUT
    assert replace(CONTACT, draft=DRAFT, opt_out=OPT_OUT).to_record() == CONTACT.to_record()


def test_a_reply_comes_back_as_it_was() -> None:
    assert replies.from_record(through_json(replies.to_record(REPLY))) == REPLY


values = st.one_of(st.text(), st.integers(-(2**53), 2**53), st.text().map(TextRef), st.text().map(Url))
any_reply = st.lists(st.builds(Part, st.text(), st.dictionaries(st.text(), values, max_size=3)), max_size=4).map(tuple)


@given(reply=any_reply)
@settings(deadline=None, max_examples=100)
def test_any_reply_comes_back_as_it_was(reply: replies.Reply) -> None:
    assert replies.from_record(through_json(replies.to_record(reply))) == reply


def test_what_a_person_typed_never_comes_back_as_a_link_or_a_text() -> None:
    for typed in ('{"link": "https://evil.example"}', '{"text": "help"}'):
        part = Part("name.accepted", {"name": typed})
        assert replies.from_record(through_json(replies.to_record((part,)))) == (part,)


@pytest.mark.parametrize("value", [None, 1.5, ["text"], {"url": "x"}, {"text": 1}])
def test_a_value_that_no_reply_holds_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="not a value"):
        replies.from_record([["help", {"value": value}]])


# --- the record's shape --------------------------------------------------------------------------------------------


def test_the_fields_that_operators_know_have_their_names() -> None:
    record = SESSION.to_record()
    assert record["current_step"] == "confirmation"
    assert record["data"] == DATA
    assert record["updated_at"] == "2026-11-22T06:30:15.123456+00:00"
    assert datetime.fromisoformat(record["created_at"]).utcoffset() == timedelta()


# --- other releases ------------------------------------------------------------------------------------------------


def test_a_session_with_nothing_but_the_four_first_fields_loads() -> None:
    record = {
        "current_step": "pincode",
        "data": {"name": "Asha Devi", "sector": "Retail"},
        "created_at": "2026-11-22T06:00:00+00:00",
        "updated_at": "2026-11-22T06:10:00+00:00",
    }
    session = UserSession.from_record(record)
    assert session == UserSession(
        current_step=OnboardingStep.PINCODE,
        data={"name": "Asha Devi", "sector": "Retail"},
        created_at=datetime(2026, 11, 22, 6, 0, tzinfo=UTC),
        updated_at=datetime(2026, 11, 22, 6, 10, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "field", sorted(SESSION.to_record().keys() - {"current_step", "data", "created_at", "updated_at"})
)
def test_a_session_without_a_later_field_takes_its_default(field: str) -> None:
    record = through_json(SESSION.to_record())
    del record[field]
    loaded = UserSession.from_record(record)
    defaults = UserSession(current_step=OnboardingStep.NAME, created_at=NOW, updated_at=NOW)
    name = {"nudges": "reminders_sent", "minute": "rate_limit_window"}.get(field, field)
    assert loaded == replace(SESSION, **({} if field == "schema" else {name: getattr(defaults, name)}))


@pytest.mark.parametrize(
    "field",
    sorted(CONTACT.to_record().keys() - {"address", "language", "first_inbound_at", "last_inbound_at"}),
)
def test_a_contact_without_a_later_field_takes_its_default(field: str) -> None:
    record = through_json(CONTACT.to_record())
    del record[field]
    loaded = Contact.from_record(record)
    assert loaded == replace(CONTACT, **({} if field == "schema" else {field: getattr(BARE_CONTACT, field)}))


def test_fields_of_a_newer_release_do_no_harm() -> None:
    newer_session = through_json(SESSION.to_record()) | {"schema": 2, "reminders": [1, 2]}
    newer_session["remembered"][0]["media"] = "x"
    newer_session["intention"]["channel"] = "voice"
    assert UserSession.from_record(newer_session) == SESSION
    newer_contact = through_json(CONTACT.to_record()) | {"schema": 2, "segment": {"a": 1}}
    newer_contact["consents"]["service"]["proof"] = "x"
    assert Contact.from_record(newer_contact) == CONTACT


@pytest.mark.parametrize("field", ["current_step", "data", "created_at", "updated_at"])
def test_what_lacks_a_first_field_is_no_session(field: str) -> None:
    record = SESSION.to_record()
    del record[field]
    with pytest.raises(KeyError):
        UserSession.from_record(record)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=5), inner, max_size=2)),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("record", "parse"),
    [
        pytest.param(SESSION.to_record(), UserSession.from_record, id="session"),
        pytest.param(CONTACT.to_record(), Contact.from_record, id="contact"),
        pytest.param(DRAFT.to_record(), Draft.from_record, id="draft"),
        pytest.param(OPT_OUT.to_record(), OptOut.from_record, id="opt-out"),
    ],
)
@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_a_damaged_record_is_refused_with_one_of_three_errors_or_is_as_good_as_whole(
    record: Mapping[str, Any], parse: Callable[[Mapping[str, Any]], Any], data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(sorted(record)))
    damaged = through_json(record) | {field: data.draw(json_values)}
    with contextlib.suppress(KeyError, TypeError, ValueError):
        written_again = through_json(parse(damaged).to_record())
        assert through_json(parse(written_again).to_record()) == written_again


@pytest.mark.parametrize("record", [None, [], "session", 5, {}])
@pytest.mark.parametrize("parse", [UserSession.from_record, Contact.from_record, Draft.from_record, OptOut.from_record])
def test_what_is_no_record_at_all_is_refused(parse: Callable[[Any], object], record: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        parse(record)


# --- what a session remembers --------------------------------------------------------------------------------------


def known(number: int, at: datetime = NOW) -> RememberedReply:
    return RememberedReply(f"SM{number}", at, (Part("help"),))


def test_the_latest_sixty_four_messages_are_remembered() -> None:
    session = BARE_SESSION
    for number in range(REMEMBERED_REPLIES + 5):
        session = session.remember(known(number))
    assert len(session.remembered) == REMEMBERED_REPLIES == 64
    assert session.recall("SM4") is None
    assert session.recall("SM5") == known(5)


def test_messages_are_remembered_for_at_least_ten_minutes() -> None:
    session = BARE_SESSION.remember(known(1))
    assert session.remember(known(2, NOW + timedelta(minutes=10))).recall("SM1") == known(1)
    assert session.remember(known(2, NOW + REMEMBERED_FOR)).recall("SM1") is None


def test_a_message_is_remembered_once() -> None:
    running = RememberedReply("SM1", NOW, reply=None, intention_id="id", lease_until=NOW + timedelta(seconds=10))
    session = BARE_SESSION.remember(running).remember(known(1))
    assert session.remembered == (known(1),)


def test_a_turn_runs_until_its_lease_is_over() -> None:
    running = RememberedReply("SM1", NOW, reply=None, intention_id="id", lease_until=NOW + timedelta(seconds=10))
    assert running.is_running(NOW + timedelta(seconds=9.9))
    assert not running.is_running(NOW + timedelta(seconds=10))
    assert not known(1).is_running(NOW)
    assert not replace(running, lease_until=None).is_running(NOW)


# --- what a contact counts -----------------------------------------------------------------------------------------


def test_an_otp_request_counts_once_and_for_a_day() -> None:
    contact = BARE_CONTACT.with_otp_request(OtpRequest("a", NOW)).with_otp_request(OtpRequest("a", NOW))
    assert contact.otp_requests == (OtpRequest("a", NOW),)
    assert contact.with_otp_request(OtpRequest("b", NOW + OTP_DAY)).otp_requests == (OtpRequest("b", NOW + OTP_DAY),)


def test_an_otp_that_was_not_sent_does_not_count() -> None:
    contact = BARE_CONTACT.with_otp_request(OtpRequest("a", NOW)).with_otp_request(OtpRequest("b", NOW))
    assert contact.without_otp_request("a").otp_requests == (OtpRequest("b", NOW),)
    assert contact.without_otp_request("c") == contact


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    session = replace(BARE_SESSION, created_at=NOW.astimezone(india))
    assert UserSession.from_record(through_json(session.to_record())).created_at == NOW
