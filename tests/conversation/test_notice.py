"""Who we are, the notice, and a later version of it: once, at the next message, and never in the way of a STOP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from redis import Redis

from onboarding_bot.app import create_app
from onboarding_bot.conversation.contact import Contact, Draft
from onboarding_bot.conversation.engine import Engine
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.conversation.turn import InboundMessage, Turn
from onboarding_bot.conversation.unanswered import UnansweredMessage
from tests.conversation.test_story import forget_session
from tests.fakes import FakeOtpService, MovableClock
from tests.settings import settings
from tests.talker import Talker, new_sid, post_signed, webhook_form

NOON = datetime(2027, 1, 5, 6, 30, tzinfo=UTC)
CHANGED = "Our privacy notice has changed"
LATER = "2027-01"


@pytest.fixture
def registered(talker: Talker) -> Talker:
    return talker.answers_everything().says("YES").expects_step("completed")


def change(monkeypatch: pytest.MonkeyPatch, version: str = LATER) -> None:
    monkeypatch.setattr("onboarding_bot.conversation.notice.NOTICE_VERSION", version)


def version_of(talker: Talker) -> str | None:
    version: str | None = talker.stored.contact.notice_version
    return version


# --- who we are ----------------------------------------------------------------------------------------------------


def test_the_welcome_leads_to_the_page_that_names_the_number(redis: Redis, clock: MovableClock) -> None:
    page = "https://www.msmebazaar.in/whatsapp_number"
    app = create_app(settings(VERIFY_URL=page), redis=redis, otp_service=FakeOtpService(), clock=clock.clock())
    Talker(app).says("Hi").hears(
        "Welcome to MSMEBazaar", f"Our page names this number: {page}", "Data Protection Board"
    )
    Talker(app, "whatsapp:+919876500000").says("नमस्ते").hears("MSMEBazaar में आपका स्वागत है", page, "डेटा संरक्षण बोर्ड")


def test_without_a_page_the_welcome_names_the_people_to_ask(talker: Talker) -> None:
    talker.says("Hi").hears("Is it us? Our people", "+91 80 5550 0100").does_not_hear("page")
    who, check, notice, question = talker.reply.split("\n\n")
    assert [text.split()[0] for text in (who, check, notice, question)] == ["🙏", "Is", "*Privacy", "What"]


# --- a later notice ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        pytest.param("Hi", "already registered", id="hello"),
        pytest.param("STATUS", "already registered", id="a command"),
        pytest.param("HELP", "These words always work", id="help"),
        pytest.param("LOGIN", "Here is your fresh login link", id="a login, which asks for an OTP"),
        pytest.param("RESTART", "full name", id="a new sign-up"),
        pytest.param("How are you?", "already registered", id="anything"),
    ],
)
@pytest.mark.parametrize("is_back", [False, True], ids=["in the conversation", "after months"])
def test_a_registered_owner_reads_a_later_notice_once_with_what_was_asked_for(
    registered: Talker, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, word: str, answer: str, is_back: bool
) -> None:
    change(monkeypatch)
    clock.pass_(minutes=2)
    if is_back:
        forget_session(registered)
        clock.pass_(days=60)
    registered.says(word).hears(CHANGED, answer)
    assert registered.reply.count("*Privacy notice of MSMEBazaar.*") == 1
    assert registered.reply.index(CHANGED) < registered.reply.index(answer)
    assert version_of(registered) == LATER
    clock.pass_(minutes=2)
    registered.says("STATUS").does_not_hear("*Privacy notice")


def test_it_comes_in_the_language_that_was_just_chosen(registered: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    change(monkeypatch)
    registered.says("HINDI").hears("निजता सूचना बदल गई है", "डेटा संरक्षण बोर्ड").does_not_hear("Privacy notice")


def test_a_picture_is_answered_with_the_notice_too(registered: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    change(monkeypatch)
    registered.sends("image").hears(CHANGED, "Thank you for the picture")
    registered.sends("image").does_not_hear(CHANGED)


@pytest.mark.parametrize("choice", ["1", "2", "STATUS"])
def test_somebody_with_unfinished_answers_reads_it_before_choosing(
    talker: Talker, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    talker.says_all("Hi", "Asha Devi")
    change(monkeypatch)
    forget_session(talker)
    clock.pass_(days=2)
    talker.says("Hi").hears(CHANGED, "Send *1* to continue")
    talker.says(choice).does_not_hear(CHANGED)
    assert version_of(talker) == LATER


def test_in_mid_flow_the_answer_counts_and_agrees_to_no_other_notice(
    talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    talker.says_all("Hi", "Asha Devi")
    earlier = version_of(talker)
    change(monkeypatch)
    talker.says("7").hears(CHANGED, "Retail", "pincode").expects_step("pincode")
    assert talker.stored.contact.consents["service"].text_version == earlier
    talker.says("560001").does_not_hear(CHANGED)
    assert talker.stored.contact.consents["service"].text_version == earlier


def test_a_stop_is_followed_and_confirmed_first(registered: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    change(monkeypatch)
    registered.says("STOP").hears(CHANGED)
    assert registered.reply.startswith("Done: you will get no reminders")
    assert registered.stored.contact.opt_out
    registered.says("Hi").does_not_hear(CHANGED)


def test_a_wish_to_be_erased_is_followed_without_it(registered: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    change(monkeypatch)
    registered.says("DELETE MY DATA").hears("Shall I do it?").does_not_hear(CHANGED)
    registered.says("YES").hears("your data here are erased").does_not_hear(CHANGED)
    registered.says("Hi").hears("Welcome to MSMEBazaar").does_not_hear(CHANGED)


@pytest.mark.parametrize("word", ["MY DATA", "PRIVACY", "DELETE MY DATA"])
def test_who_asks_about_the_own_data_reads_it_with_the_next_reply(
    registered: Talker, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    change(monkeypatch)
    registered.says(word).does_not_hear(CHANGED)
    assert version_of(registered) != LATER
    registered.says("NO").hears(CHANGED)
    assert version_of(registered) == LATER


@pytest.mark.parametrize("word", ["STOP", "START", "HELP"])
def test_what_twilio_answered_itself_is_answered_with_nothing(
    app: Flask, registered: Talker, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    change(monkeypatch)
    silent = post_signed(app.test_client(), webhook_form(word, OptOutType=word)).get_data(as_text=True)
    assert "<Message>" not in silent
    registered.says("Hi").hears(CHANGED)


def test_a_copy_gets_the_same_reply_and_the_next_message_no_second_notice(
    registered: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch)
    sid = new_sid()
    first = registered.says("Hi", sid).hears(CHANGED).reply
    assert registered.says("Hi", sid).reply == first
    registered.says("Hi").does_not_hear(CHANGED)
    assert registered.says("Hi", sid).reply == first


def test_who_writes_too_fast_reads_it_later(redis: Redis, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(settings(MESSAGES_PER_MINUTE="2"), redis=redis, otp_service=FakeOtpService(), clock=clock.clock())
    talker = Talker(app)
    talker.says_all("Hi", "Asha Devi")
    change(monkeypatch)
    talker.says("7").hears("slow down").does_not_hear(CHANGED)
    clock.pass_(minutes=2)
    talker.says("7").hears(CHANGED)


def test_a_release_never_shows_its_notice_to_somebody_who_knows_a_later_one(
    registered: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two releases run side by side during a rollout, and a release may be taken back."""
    with monkeypatch.context() as newer:
        change(newer)
        registered.says("Hi").hears(CHANGED)
    registered.says("Hi").does_not_hear(CHANGED)
    assert version_of(registered) == LATER


def test_a_newcomer_reads_one_notice(talker: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    change(monkeypatch)
    talker.says("Hi").does_not_hear(CHANGED)
    assert talker.reply.count("*Privacy notice of MSMEBazaar.*") == 1


# --- what the engine alone is asked --------------------------------------------------------------------------------

ADDRESS = "whatsapp:+919876543210"
ANSWERS = {"name": "Asha Devi", "sector": "Retail", "pincode": "560001", "phone": "+919876543210"}
OLD_FRIEND = Contact(ADDRESS, "en", NOON, NOON, completed_at=NOON, registration=ANSWERS)


def codes(turn: Turn | None) -> list[str]:
    assert turn is not None
    return [part.code for part in turn.reply]


@pytest.mark.parametrize("version", [None, "2026-11", "2026-11.2"], ids=["none kept", "the first", "the second"])
@pytest.mark.parametrize("known", ["registered", "unfinished"])
def test_whatever_an_earlier_release_kept_of_it_the_notice_comes(version: str | None, known: str) -> None:
    contact = Contact(ADDRESS, "en", NOON, NOON, notice_version=version, draft=Draft({"name": "Asha"}, NOON))
    if known == "registered":
        contact = Contact(ADDRESS, "en", NOON, NOON, version, completed_at=NOON, registration=ANSWERS)
    turn = Engine().advance(None, contact, InboundMessage("SM1", ADDRESS, "Hi"), NOON + timedelta(days=2))
    assert codes(turn)[:2] == ["notice.changed", "notice"]
    assert turn.contact.notice_version == "2026-11.3"


def test_a_reminder_brings_no_notice() -> None:
    session = UserSession.start(OnboardingStep.SECTOR, NOON, {"name": "Asha Devi"})
    turn = Engine().remind(session, OLD_FRIEND, 1, NOON)
    assert "notice" not in codes(turn)
    assert turn.contact.notice_version is None


def test_a_reply_after_an_outage_brings_it() -> None:
    unanswered = [UnansweredMessage(InboundMessage("SM1", ADDRESS, "Hi"), NOON)]
    turn = Engine().answer_unanswered(None, OLD_FRIEND, unanswered, is_answered=False, is_reachable=True)
    assert codes(turn)[:3] == ["notice.changed", "notice", "catch_up.back"]
    assert turn is not None
    again = Engine().answer_unanswered(turn.session, turn.contact, unanswered, is_answered=False, is_reachable=True)
    assert "notice" not in codes(again)


def test_a_stop_that_an_outage_left_unanswered_is_confirmed_alone() -> None:
    unanswered = [UnansweredMessage(InboundMessage("SM1", ADDRESS, "STOP"), NOON)]
    turn = Engine().answer_unanswered(None, OLD_FRIEND, unanswered, is_answered=False, is_reachable=True)
    assert codes(turn) == ["stop.done"]
