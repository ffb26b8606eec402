"""A no to news alone: it ends news and nothing else, and only UPDATES takes it back."""

from __future__ import annotations

import pytest
from flask import Flask
from redis import Redis

from onboarding_bot.conversation.turn import InboundMessage
from onboarding_bot.conversation.unanswered import UnansweredMessage
from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.people.service import StoppedError
from onboarding_bot.wiring import Parts, build_parts
from tests.fakes import FakeOtpService, MovableClock
from tests.inside import engine_of
from tests.settings import settings
from tests.talker import OWNER, Talker

SERVICE_TEXT = Definition(message="The office is closed on Monday")
NEWS_TEXT = Definition(message="A fair opens on Monday", purpose=Purpose.MARKETING)


@pytest.fixture
def parts(redis: Redis, otp_service: FakeOtpService, clock: MovableClock) -> Parts:
    return build_parts(settings(), redis=redis, otp_service=otp_service, clock=clock.clock())


def test_news_end_and_service_goes_on(talker: Talker, parts: Parts) -> None:
    talker.answers_everything().says("UPDATES").says("Stop promotions").hears(
        "no more news", "*UPDATES*", "Please check"
    )
    assert parts.broadcasts.audience.count(NEWS_TEXT).skipped["no_consent"] == 1
    assert parts.broadcasts.audience.count(SERVICE_TEXT).recipient_count == 1
    assert talker.stored.contact.opt_out is None
    talker.says("UPDATES")
    assert parts.broadcasts.audience.count(NEWS_TEXT).recipient_count == 1
    assert talker.stored.contact.news_ended is None


def test_a_no_to_news_that_were_never_on_is_written_down(talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "stop marketing").hears("no more news").expects_step("sector")
    assert talker.stored.contact.news_ended.source == talker.sid
    assert "service" in talker.stored.contact.consents
    talker.says("MY DATA").hears("you want no news")


def test_a_newcomers_first_word_may_be_a_no_to_news(talker: Talker) -> None:
    talker.says("Stop promotions").hears("no more news", "Welcome to MSMEBazaar")
    assert talker.stored.contact.news_ended is not None


def test_after_a_stop_nothing_is_switched_on_by_it(talker: Talker) -> None:
    talker.says_all("Hi", "STOP", "stop offers").hears("already off")
    assert talker.stored.contact.opt_out is not None
    talker.says("START")
    assert (talker.stored.contact.opt_out, talker.stored.contact.news_ended is None) == (None, False)


def test_no_admin_takes_it_back(talker: Talker, parts: Parts) -> None:
    talker.says_all("Hi", "Asha Devi", "Stop promotions")
    with pytest.raises(StoppedError):
        parts.people.service.record_consent(OWNER, "marketing", given=True, key_name="asha", note="")
    parts.people.service.record_consent(OWNER, "service", given=True, key_name="asha", note="")


def test_what_an_admin_wrote_down_an_admin_takes_back(talker: Talker, parts: Parts) -> None:
    talker.says_all("Hi", "Asha Devi", "UPDATES")
    parts.people.service.record_consent(OWNER, "marketing", given=False, key_name="asha", note="")
    assert talker.stored.contact.news_ended.source == "admin asha"
    parts.people.service.record_consent(OWNER, "marketing", given=True, key_name="asha", note="")
    assert talker.stored.contact.news_ended is None


@pytest.mark.parametrize("words", [("UPDATES", "Stop promotions"), ("Stop promotions",)])
def test_in_an_outage_it_counts_in_its_order(
    app: Flask, talker: Talker, clock: MovableClock, words: tuple[str, ...]
) -> None:
    talker.says_all("Hi", "Asha Devi", "UPDATES")
    unanswered = []
    for word in words:
        clock.pass_(minutes=5)
        unanswered.append(UnansweredMessage(InboundMessage(f"SM-{word}", OWNER, word), clock.moment))
    known = talker.stored
    turn = engine_of(app).answer_unanswered(
        known.session, known.contact, unanswered, is_answered=False, is_reachable=True
    )
    assert turn is not None
    assert "marketing" not in turn.contact.consents
    assert [part.code for part in turn.reply][:2] == ["catch_up.back", "updates.off"]


def test_a_yes_to_news_before_it_is_not_heard_again(app: Flask, talker: Talker, clock: MovableClock) -> None:
    talker.says_all("Hi", "Asha Devi")
    clock.pass_(minutes=5)
    yes = UnansweredMessage(InboundMessage("SM-yes", OWNER, "UPDATES"), clock.moment)
    clock.pass_(minutes=5)
    talker.says("Stop promotions")
    known = talker.stored
    turn = engine_of(app).answer_unanswered(known.session, known.contact, [yes], is_answered=True, is_reachable=True)
    assert turn is None
