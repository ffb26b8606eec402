"""Status callbacks over HTTP: signed with their query, and harmless whatever they say."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlencode

import fakeredis
import pytest
import responses
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from onboarding_bot.app import create_app
from onboarding_bot.outbound.broadcast_states import RecipientState
from onboarding_bot.services.twilio_messages import TwilioMessages
from onboarding_bot.storage.keys import HEARTBEATS
from simulator.callbacks import CallbackPost
from simulator.settings import load_settings
from tests.broadcasts.people import add
from tests.broadcasts.world import World
from tests.fakes import FakeOtpService, MovableClock
from tests.settings import ENVIRONMENT, settings
from tests.talker import signature

URL = ENVIRONMENT["PUBLIC_BASE_URL"]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def world(redis: Redis, clock: MovableClock) -> World:
    return World(redis=redis, clock=clock)


@pytest.fixture
def recipient(world: World) -> tuple[str, str]:
    """A broadcast that one person got as SM1; its id and the person's."""
    person_id = add(world.store)
    broadcast_id = world.sending()
    world.send_all(broadcast_id)
    return broadcast_id, person_id


def path_of(broadcast_id: str, person_id: str) -> str:
    return f"/status-callback?{urlencode({'broadcast': broadcast_id, 'row': person_id})}"


def tell(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    form: dict[str, Any] = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "whatsapp:+919876543210"} | fields
    return client.post(path, data=form, headers={"X-Twilio-Signature": signature(URL + path, form)})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"MessageStatus": "sent"}, RecipientState.SENT, id="sent"),
        pytest.param({"MessageStatus": "delivered"}, RecipientState.DELIVERED, id="delivered"),
        pytest.param({"MessageStatus": "DELIVERED"}, RecipientState.DELIVERED, id="in capitals"),
        pytest.param({"MessageStatus": "read"}, RecipientState.READ, id="read"),
        pytest.param({"EventType": "READ", "MessageStatus": "delivered"}, RecipientState.READ, id="the event READ"),
        pytest.param({"EventType": "READ", "MessageStatus": ""}, RecipientState.READ, id="the event READ alone"),
        pytest.param({"MessageStatus": "failed", "ErrorCode": "63016"}, RecipientState.FAILED, id="failed"),
        pytest.param({"MessageStatus": "undelivered", "ErrorCode": "63003"}, RecipientState.FAILED, id="undelivered"),
        pytest.param({"MessageStatus": "failed"}, RecipientState.FAILED, id="failed without a code"),
        pytest.param({"MessageStatus": "failed", "ErrorCode": "63018"}, RecipientState.PENDING, id="over Meta's limit"),
        pytest.param({"MessageStatus": "queued"}, RecipientState.SENT, id="nothing new"),
        pytest.param({"MessageStatus": "dancing"}, RecipientState.SENT, id="a status that nobody has heard of"),
        pytest.param({"MessageStatus": ""}, RecipientState.SENT, id="no status"),
        pytest.param({"MessageSid": ""}, RecipientState.SENT, id="no message"),
        pytest.param({"MessageSid": "SM999"}, RecipientState.SENT, id="another message"),
        pytest.param({"MessageStatus": "failed", "ErrorCode": "oops"}, RecipientState.FAILED, id="a code that is none"),
        pytest.param({"MessageStatus": "failed", "ErrorCode": "9" * 5000}, RecipientState.FAILED, id="an endless code"),
        pytest.param({"MessageStatus": "failed", "ErrorCode": "²"}, RecipientState.FAILED, id="a strange digit"),
    ],
)
def test_what_twilio_tells_moves_the_row(
    client: FlaskClient, world: World, recipient: tuple[str, str], fields: dict[str, str], expected: RecipientState
) -> None:
    response = tell(client, path_of(*recipient), **fields)
    assert (response.status_code, response.get_data()) == (204, b"")
    assert world.recipient(*recipient).state is expected
    assert world.service.view(recipient[0]).sent_count == 1


def test_shuffled_and_repeated_callbacks_end_where_they_should(
    client: FlaskClient, world: World, recipient: tuple[str, str]
) -> None:
    for status in ("read", "sent", "delivered", "read", "queued", "sent"):
        assert tell(client, path_of(*recipient), MessageStatus=status).status_code == 204
    assert world.recipient(*recipient).state is RecipientState.READ
    assert world.states(recipient[0]) == {"read": 1}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no signature"),
        pytest.param({"X-Twilio-Signature": "bm90IHRoZSBzaWduYXR1cmU="}, id="wrong signature"),
        pytest.param({"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}, id="a key instead"),
    ],
)
def test_who_is_not_twilio_is_refused(
    client: FlaskClient, world: World, recipient: tuple[str, str], headers: dict[str, str]
) -> None:
    form = {"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": "21610"}
    assert client.post(path_of(*recipient), data=form, headers=headers).status_code == 403
    assert world.recipient(*recipient).state is RecipientState.SENT


def test_the_query_is_signed_as_well(client: FlaskClient, world: World, recipient: tuple[str, str]) -> None:
    form = {"MessageSid": "SM1", "MessageStatus": "failed"}
    for signed_path in ("/status-callback", path_of("0" * 24, recipient[1])):
        headers = {"X-Twilio-Signature": signature(URL + signed_path, form)}
        assert client.post(path_of(*recipient), data=form, headers=headers).status_code == 403
    assert world.recipient(*recipient).state is RecipientState.SENT


PERSON = "0" * 32


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/status-callback", id="no query"),
        pytest.param("/status-callback?broadcast=&row=", id="an empty query"),
        pytest.param(path_of("0" * 24, PERSON), id="unknown broadcast and recipient"),
        pytest.param(path_of("x" * 24, PERSON), id="no broadcast's id"),
        pytest.param(path_of("{s1}:x", PERSON), id="a key's name"),
        pytest.param(path_of("0" * 24, "whatsapp:+919876543210"), id="an address"),
        pytest.param(path_of("0" * 24, "0" * 31 + "\n"), id="almost a recipient"),
        pytest.param(path_of("0" * 24, "é" * 32), id="not ASCII"),
        pytest.param(f"/status-callback?row={PERSON}&row={PERSON}&broadcast={'0' * 24}", id="twice"),
    ],
)
@pytest.mark.parametrize("status", ["delivered", "failed"])
def test_what_we_know_nothing_of_changes_nothing(client: FlaskClient, redis: Redis, path: str, status: str) -> None:
    assert tell(client, path, MessageStatus=status, ErrorCode="21610").status_code == 204
    assert set(redis.keys()) <= {HEARTBEATS.encode()}, "only that Twilio called"


def test_another_persons_message_is_not_touched(client: FlaskClient, world: World, recipient: tuple[str, str]) -> None:
    assert tell(client, path_of(recipient[0], PERSON), MessageStatus="failed").status_code == 204
    assert world.states(recipient[0]) == {"sent": 1}


def test_without_redis_twilio_is_told_so(clock: MovableClock) -> None:
    server = fakeredis.FakeServer()
    client = create_app(
        settings(), redis=fakeredis.FakeRedis(server=server), otp_service=FakeOtpService(), clock=clock.clock()
    ).test_client()
    server.connected = False
    assert tell(client, path_of("0" * 24, PERSON)).status_code == 503
    assert tell(client, "/status-callback").status_code == 204


def test_a_callback_that_met_a_503_is_delivered_again(clock: MovableClock) -> None:
    """The address that Twilio is handed, called as Twilio does: Redis comes back between the two tries."""
    server = fakeredis.FakeServer()
    world = World(redis=fakeredis.FakeRedis(server=server), clock=clock)
    client = create_app(settings(), redis=world.redis, otp_service=FakeOtpService(), clock=clock.clock()).test_client()
    person_id = add(world.store)
    broadcast_id = world.sending()
    world.send_all(broadcast_id)
    statuses = []

    def reach_the_bot(request: Any) -> tuple[int, dict[str, str], bytes]:
        answer = client.post(request.path_url, data=request.body, headers=dict(request.headers))
        statuses.append(answer.status_code)
        return answer.status_code, {}, answer.get_data()

    def redis_comes_back(_seconds: float) -> None:
        server.connected = True

    with responses.RequestsMock() as http:
        http.add_callback("POST", re.compile(f"{URL}/status-callback"), callback=reach_the_bot)
        http.post(re.compile(r"https://api\.twilio\.com/"), json={"sid": "SM1"}, status=201)
        account = (ENVIRONMENT["TWILIO_ACCOUNT_SID"], ENVIRONMENT["TWILIO_AUTH_TOKEN"])
        messages = TwilioMessages("https://api.twilio.com", *account, "whatsapp:+14155238886", URL)
        messages.send_text("whatsapp:+919876543210", "Hi", {"broadcast": broadcast_id, "row": person_id})
        form = http.calls[0].request.body
        assert isinstance(form, str)
        (callback_url,) = parse_qs(form)["StatusCallback"]
        server.connected = False
        twilio = CallbackPost(load_settings(ENVIRONMENT), redis_comes_back)
        twilio.post(callback_url, {"MessageSid": "SM1", "MessageStatus": "delivered"})

    assert statuses == [503, 204]
    assert (twilio.posted, twilio.failed) == (1, 0)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.DELIVERED


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_posts_are_taken(client: FlaskClient, method: str) -> None:
    assert client.open("/status-callback", method=method).status_code == 405
