"""Who may be written to at all: seen from the conversation that gave, or did not give, the consent."""

from __future__ import annotations

import pytest
from redis import Redis

from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.wiring import Parts, build_parts
from tests.fakes import FakeOtpService, MovableClock
from tests.settings import settings
from tests.talker import Talker

SERVICE_TEXT = Definition(message="The office is closed on Monday")
NEWS_TEXT = Definition(message="A fair opens on Monday", purpose=Purpose.MARKETING)


@pytest.fixture
def parts(redis: Redis, otp_service: FakeOtpService, clock: MovableClock) -> Parts:
    return build_parts(settings(), redis=redis, otp_service=otp_service, clock=clock.clock())


def test_writing_first_is_no_consent_and_going_on_after_the_notice_is(talker: Talker, parts: Parts) -> None:
    talker.says("Hi")
    assert parts.broadcasts.audience.count(SERVICE_TEXT).skipped["no_consent"] == 1
    talker.says("Asha Devi")
    assert parts.broadcasts.audience.count(SERVICE_TEXT).recipient_count == 1


def test_news_need_a_yes_of_their_own_and_stop_takes_it_back(talker: Talker, parts: Parts, clock: MovableClock) -> None:
    talker.answers_everything().says("YES")
    assert parts.broadcasts.audience.count(NEWS_TEXT).skipped["no_consent"] == 1
    talker.says("UPDATES")
    assert parts.broadcasts.audience.count(NEWS_TEXT).recipient_count == 1
    talker.says("STOP")
    assert parts.broadcasts.audience.count(NEWS_TEXT).skipped["opted_out"] == 1
    clock.pass_(seconds=1)
    talker.says("START")
    assert parts.broadcasts.audience.count(NEWS_TEXT).skipped["no_consent"] == 1
    assert parts.broadcasts.audience.count(SERVICE_TEXT).recipient_count == 1
