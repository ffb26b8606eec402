"""What most tests start from: an app on fakeredis, a clock to move, and an owner to talk with."""

from __future__ import annotations

import fakeredis
import hypothesis
import pytest
import structlog
from flask import Flask

from onboarding_bot.app import create_app
from tests.alone import pytest_runtest_protocol  # noqa: F401 - a hook: pytest finds it by its name here
from tests.fakes import FakeOtpService, MovableClock
from tests.settings import settings
from tests.swallowed import no_mistake_is_swallowed, pytest_collection_finish  # noqa: F401 - found by their names
from tests.talker import Talker

# No example is too slow: how long one takes is the machine's affair.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_runtest_teardown() -> None:
    """Commands configure the log of the whole process: the next test begins without that."""
    structlog.reset_defaults()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def otp_service() -> FakeOtpService:
    return FakeOtpService()


@pytest.fixture
def redis() -> fakeredis.FakeRedis:
    return fakeredis.FakeRedis()


@pytest.fixture
def app(redis: fakeredis.FakeRedis, otp_service: FakeOtpService, clock: MovableClock) -> Flask:
    return create_app(settings(), redis=redis, otp_service=otp_service, clock=clock.clock())


@pytest.fixture
def talker(app: Flask) -> Talker:
    return Talker(app)
