"""The app takes what the OpenAPI document allows, refuses what it does not, and answers as it says.

Requests are made up by schemathesis: the same ones at every run, and as many others as API_EXAMPLES says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

import fakeredis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig

from onboarding_bot.app import create_app
from onboarding_bot.web.api.operations.people import ADDRESS_FORMAT
from tests.fakes import NOON, FakeOtpService, MovableClock
from tests.settings import ENVIRONMENT, settings
from tests.talker import OWNER, Talker
from tests.web.documented import DOCUMENT

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

USUAL_EXAMPLES = 15
EXAMPLES = int(os.environ.get("API_EXAMPLES", USUAL_EXAMPLES))
IS_USUAL = EXAMPLES == USUAL_EXAMPLES
CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {"max-examples": EXAMPLES, "deterministic": IS_USUAL, "mode": "all"},
        "phases": {"stateful": {"generation": {"mode": "positive"}}},
        # For a GET, /broadcasts/pause-all is the address of a broadcast that does not exist: 404, and no 405.
        "operations": [
            {
                "include-operation-id": "pauseAllBroadcasts",
                "checks": {"allow_header_conformance": {"enabled": False}, "unsupported_method": {"enabled": False}},
            }
        ],
        "auth": {
            "openapi": {
                "adminKey": {"bearer": ENVIRONMENT["ADMIN_API_KEY"]},
                "webAppKey": {"bearer": ENVIRONMENT["HANDOFF_API_KEY"]},
            }
        },
    }
)
# What no schema can say: an address is in a form that the bot reads, and a broadcast begins within a year.
ADDRESSES = st.sampled_from(
    [OWNER, "whatsapp:+14155550100", "+91 98765 43211", "9876543212", "091-9876543213", "whatsapp:IN.1349817284591"]
)
MOMENTS = st.datetimes(datetime(2026, 11, 25), datetime(2027, 11, 20), timezones=st.just(UTC))  # noqa: DTZ001
schemathesis.openapi.format(ADDRESS_FORMAT, ADDRESSES)
schemathesis.openapi.format("date-time", MOMENTS.map(datetime.isoformat))


class AppOfTheModule:
    """The app that is called; it is built when the first of these tests runs, and not when they are collected."""

    def build(self) -> None:
        self.redis, self.clock = fakeredis.FakeRedis(), MovableClock()
        self.flask = create_app(settings(), redis=self.redis, otp_service=FakeOtpService(), clock=self.clock.clock())
        # What is called here more often than the limits allow is tested elsewhere.
        for limiter in self.flask.extensions["limiter"]:
            limiter.enabled = False

    def begin_anew(self) -> None:
        """One person has signed up, and no broadcast was begun: a scenario goes the same way at every run."""
        self.redis.flushall()
        self.clock.moment = NOON
        Talker(self.flask).answers_everything().says("YES")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # Broadcasts are listed by the moment of their creation.
        self.clock.pass_(seconds=1)
        return self.flask(environ, start_response)


SCHEMA = schemathesis.openapi.from_dict(deepcopy(DOCUMENT), config=CONFIG)
SCHEMA.app = APP = AppOfTheModule()


@pytest.fixture(autouse=True, scope="module")
def app() -> Iterator[None]:
    APP.build()
    APP.begin_anew()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("onboarding_bot.services.twilio_content_api.ContentApi.list_contents", lambda _: [])
        yield


@SCHEMA.parametrize()
def test_an_operation_is_as_documented(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate()


class Calls(SCHEMA.as_state_machine()):  # type: ignore[misc]  # the base is made at run time
    """Calls that lead to others by the document's links, and how those ended."""

    followed: ClassVar[set[tuple[str, int]]] = set()

    def setup(self) -> None:
        """Begin every scenario in the same state."""
        APP.begin_anew()

    def after_call(self, response: schemathesis.Response, case: schemathesis.Case[Any]) -> None:
        """Note how a call ended."""
        self.followed.add((case.operation.label, response.status_code))


def test_calls_that_lead_to_others_are_as_documented() -> None:
    """A broadcast is begun, looked at, paused, resumed and cancelled; a person is looked up and erased."""
    Calls.run(
        settings=hypothesis_settings(
            max_examples=EXAMPLES * 3,
            stateful_step_count=10,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=IS_USUAL,
            deadline=None,
            database=None,
        )
    )
    done = {call for call, status in Calls.followed if status == HTTPStatus.OK}
    assert len({call for call in done if "{broadcast_id}" in call}) > 2, "links lead to broadcasts that were begun"
