"""A flood of messages: read up to a limit, asked once to slow down, then silence, and nothing is lost or done twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from redis import Redis

from onboarding_bot.app import create_app
from onboarding_bot.conversation import rate_limit
from onboarding_bot.conversation.otp import LEASE
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import (
    REMEMBERED_REPLIES,
    OnboardingStep,
    RateLimitWindow,
    RememberedReply,
    UserSession,
)
from tests.fakes import NOON, FakeOtpService, MovableClock
from tests.settings import settings
from tests.talker import Talker, new_sid, post_signed, webhook_form
from tests.test_exactly_once import ProcessDied, die

LIMIT = 5
SILENCE = '<?xml version="1.0" encoding="UTF-8"?><Response />'


@pytest.fixture
def app(redis: Redis, otp_service: FakeOtpService, clock: MovableClock) -> Flask:
    changed = settings(MESSAGES_PER_MINUTE=str(LIMIT))
    return create_app(changed, redis=redis, otp_service=otp_service, clock=clock.clock())


def silent(talker: Talker, text: str, sid: str | None = None, **fields: str) -> str:
    """Send something that is answered with nothing at all; its MessageSid."""
    sid = sid or new_sid()
    response = post_signed(talker.app.test_client(), webhook_form(text, talker.sender, sid, **fields))
    assert (response.status_code, response.get_data(as_text=True)) == (200, SILENCE)
    return sid


def flooding(talker: Talker) -> Talker:
    """Somebody who has just been asked to slow down, in the step for the sector."""
    talker.says_all("Hi", "Asha Devi", "HELP", "STATUS", "PRIVACY").expects_step("sector")
    return talker.says("Retail").hears("slow down", "have not read", "60 seconds")


def test_sixty_messages_a_minute_are_read(redis: Redis, clock: MovableClock) -> None:
    talker = Talker(create_app(settings(), redis=redis, clock=clock.clock())).says("Hi")
    for number in range(58):
        talker.says(f"STATUS{'.' * number}")
    talker.says("Asha Devi").expects_step("sector").says("7").hears("slow down").expects_step("sector")


def test_one_request_to_slow_down_then_silence_until_the_minute_is_over(talker: Talker, clock: MovableClock) -> None:
    flooding(talker)
    clock.pass_(seconds=59)
    for text in ("Retail", "YES", "HELP", "RESTART", "हाँ", ""):
        silent(talker, text)
    talker.expects_step("sector").expects_data(name="Asha Devi")
    clock.pass_(seconds=1)
    talker.says("Retail").expects_step("pincode").expects_data(name="Asha Devi", sector="Retail")


def test_the_seconds_that_are_left_are_told(talker: Talker, clock: MovableClock) -> None:
    talker.says_all("Hi", "Asha Devi", "HELP", "HELP", "HELP")
    clock.pass_(seconds=59.5)
    talker.says("7").hears("in the next 1 second I")


def test_it_is_said_in_the_persons_language(talker: Talker) -> None:
    talker.says_all("नमस्ते", "HELP", "HELP", "HELP", "HELP").says("HELP").hears("धीरे", "60 सेकंड")


def test_a_voice_note_counts_and_is_held_back_too(talker: Talker) -> None:
    talker.says("Hi")
    for _ in range(LIMIT - 1):
        talker.sends("audio")
    talker.sends("audio").hears("slow down").does_not_hear("+91 80")
    silent(talker, "", MessageType="audio", NumMedia="1", MediaUrl0="https://api.twilio.com/x")


def test_the_next_minute_begins_with_the_next_message(talker: Talker, clock: MovableClock) -> None:
    flooding(talker)
    clock.pass_(minutes=10)
    talker.says_all("HELP", "HELP", "HELP", "HELP", "HELP").says("HELP").hears("slow down")


def test_one_persons_flood_holds_nobody_else_back(app: Flask, talker: Talker) -> None:
    flooding(talker)
    Talker(app, "whatsapp:+917000000001").says_all("Hi", "Ravi Kumar").expects_step("sector")


def test_an_otp_is_neither_asked_for_nor_lost(talker: Talker, otp_service: FakeOtpService, clock: MovableClock) -> None:
    talker.answers_everything().says("YES please, all of it").hears("slow down")
    silent(talker, "YES")
    assert otp_service.requests == []
    clock.pass_(minutes=1)
    talker.says("YES").expects_step("completed")
    assert len(otp_service.requests) == 1


# --- copies --------------------------------------------------------------------------------------------------------


def test_a_copy_counts_for_nothing(talker: Talker) -> None:
    talker.says("Hi")
    for _ in range(LIMIT + 1):
        talker.says("Hi", sid=talker.sid).hears("Welcome")
    talker.says("Asha Devi").expects_step("sector")


def test_the_copy_of_a_message_that_was_not_read_is_never_read(talker: Talker, clock: MovableClock) -> None:
    flooding(talker)
    asked, reply = talker.sid, talker.reply
    sid = silent(talker, "Retail")
    before = talker.stored
    silent(talker, "Retail", sid)
    clock.pass_(minutes=2)
    silent(talker, "Retail", sid)
    assert talker.says("Retail", sid=asked).reply == reply
    assert talker.stored == before


def test_a_copy_of_what_was_read_is_known_however_much_was_not(talker: Talker) -> None:
    talker.says("Hi")
    welcome, sid = talker.reply, talker.sid
    talker.says_all("Asha Devi", "HELP", "HELP", "HELP", "HELP").hears("slow down")
    for _ in range(REMEMBERED_REPLIES + 1):
        silent(talker, "HELP")
    before = talker.stored
    assert talker.says("Hi", sid=sid).reply == welcome
    assert talker.stored == before
    assert len(before.session.remembered) <= 2 * REMEMBERED_REPLIES


def test_a_message_that_was_read_is_finished_by_its_copy(
    talker: Talker, otp_service: FakeOtpService, clock: MovableClock
) -> None:
    """Its process died while the OTP was on its way; what came since is no reason to leave it undone."""
    talker.answers_everything()
    clock.pass_(minutes=1)
    talker.says_all("HELP", "HELP", "HELP", "HELP")
    otp_service.during = die
    yes = new_sid()
    with pytest.raises(ProcessDied):
        talker.says("YES", sid=yes)
    talker.says("HELP").hears("slow down")
    clock.pass_(seconds=LEASE.seconds)
    talker.says("YES", sid=yes).expects_step("completed")
    assert len({request.intention_id for request in otp_service.requests}) == 1


def test_what_is_remembered_stays_in_its_order() -> None:
    known = session(None)
    for number in range(2 * REMEMBERED_REPLIES):
        reply = () if number % 2 else (Part("help"),)
        known = known.remember(RememberedReply(f"SM{number}", NOON, reply))
    assert [one.message_sid for one in known.remembered] == [f"SM{n}" for n in range(2 * REMEMBERED_REPLIES)]
    known = known.remember(RememberedReply("SM-silent", NOON, ()))
    assert known.remembered[-1].message_sid == "SM-silent"
    assert known.recall("SM1") is None
    assert known.recall("SM0") is not None


# --- STOP ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["STOP", "stop.", "बंद करो", "unsubscribe"])
def test_stop_works_however_fast_somebody_writes(talker: Talker, word: str) -> None:
    flooding(talker)
    silent(talker, "HELP")
    talker.says(word).hears("no reminders", "12. Other")
    assert talker.stored.contact.opt_out is not None
    silent(talker, word)
    silent(talker, "START")
    assert talker.stored.contact.opt_out is not None


def test_stop_as_the_first_message_too_many_leaves_the_request_to_the_next(talker: Talker) -> None:
    talker.says_all("Hi", "HELP", "HELP", "HELP", "HELP").says("STOP").hears("no reminders")
    talker.says("HELP").hears("slow down")
    silent(talker, "HELP")


@pytest.mark.parametrize("kind", ["STOP", "START"])
def test_what_twilio_has_answered_is_written_down_all_the_same(talker: Talker, kind: str) -> None:
    flooding(talker)
    silent(talker, kind, OptOutType=kind)
    assert (talker.stored.contact.opt_out is not None) is (kind == "STOP")


# --- the window ----------------------------------------------------------------------------------------------------


def session(window: RateLimitWindow | None) -> UserSession:
    return UserSession(OnboardingStep.NAME, NOON, NOON, rate_limit_window=window)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param(None, RateLimitWindow(NOON), id="a session of an older release"),
        pytest.param(RateLimitWindow(NOON), RateLimitWindow(NOON, 2), id="the same moment"),
        pytest.param(
            RateLimitWindow(NOON - timedelta(seconds=59), 7, warned=True),
            RateLimitWindow(NOON - timedelta(seconds=59), 8, warned=True),
            id="the last second",
        ),
        pytest.param(RateLimitWindow(NOON - timedelta(seconds=60), 99, warned=True), RateLimitWindow(NOON), id="over"),
        pytest.param(
            RateLimitWindow(NOON + timedelta(seconds=2), 3),
            RateLimitWindow(NOON + timedelta(seconds=2), 4),
            id="a fast clock",
        ),
        pytest.param(
            RateLimitWindow(NOON + timedelta(hours=1), 99),
            RateLimitWindow(NOON),
            id="a clock that was wrong by an hour",
        ),
    ],
)
def test_a_message_is_counted_in_its_window(window: RateLimitWindow | None, expected: RateLimitWindow) -> None:
    assert rate_limit.count_message(session(window), NOON).rate_limit_window == expected
