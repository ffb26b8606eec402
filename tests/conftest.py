"""What most tests start from: an app on fakeredis, a clock to move, and an owner to talk with."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import hypothesis
import pytest
import structlog
from flask import Flask
from redis import Redis

from onboarding_bot.app import create_app
from onboarding_bot.config import METRICS_FOLDER
from tests.alone import pytest_runtest_protocol  # noqa: F401 - a hook: pytest finds it by its name here
from tests.databases import empty_database, end_server
from tests.fakes import FakeOtpService, MovableClock
from tests.settings import settings
from tests.swallowed import no_mistake_is_swallowed, pytest_collection_finish  # noqa: F401 - found by their names
from tests.talker import Talker

# No example is too slow: how long one takes is the machine's affair.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """What was collected stays until the end: Python need not look through it again and again for garbage.

    Each test builds an app or two; the rarer looks cost a fifth less time, and no more memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


def pytest_runtest_teardown() -> None:
    """Commands configure the log of the whole process, and name a folder for its metrics: the next test has neither."""
    structlog.reset_defaults()
    os.environ.pop(METRICS_FOLDER, None)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def otp_service() -> FakeOtpService:
    return FakeOtpService()


def pytest_unconfigure() -> None:
    end_server()


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis(**empty_database()) as client:
        yield client


@pytest.fixture
def app(redis: Redis, otp_service: FakeOtpService, clock: MovableClock) -> Flask:
    return create_app(settings(), redis=redis, otp_service=otp_service, clock=clock.clock())


@pytest.fixture
def talker(app: Flask) -> Talker:
    return Talker(app)
