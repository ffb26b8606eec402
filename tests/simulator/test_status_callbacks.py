"""How status callbacks reach the bot: in order or not, once or more, signed for their whole URL."""

from __future__ import annotations

from collections import Counter

import pytest
import requests
from twilio.request_validator import RequestValidator

from tests.simulator.simulated_world import ACCOUNT, ASHA, BOT_URL, PUBLIC_URL, SENDER, TOKEN, World, body_of

PATH = "/status-callback?broadcast=b-1&row=7"
STATUSES = ["queued", "sent", "delivered", "read"]


def told(world: World) -> list[str]:
    return [form["MessageStatus"] for form in world.bot.forms]


def send(world: World, overrides: str = "") -> str:
    return str(body_of(world.send(Body="News", StatusCallback=PUBLIC_URL + PATH + overrides))["sid"])


def test_a_callback_has_twilios_fields_and_a_signature_over_the_query(world: World) -> None:
    world.bot.answers(status=204, path="/status-callback")
    sid = send(world)
    assert world.bot.forms[-1] == {
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        "ChannelPrefix": "whatsapp",
        "ChannelToAddress": ASHA.removeprefix("whatsapp:"),
        "EventType": "READ",
        "From": SENDER,
        "MessageSid": sid,
        "MessageStatus": "read",
        "SmsSid": sid,
        "SmsStatus": "read",
        "To": ASHA,
    }
    assert {request.url for request in world.bot.requests} == {BOT_URL + PATH}
    signature = world.bot.requests[-1].headers["X-Twilio-Signature"]
    assert RequestValidator(TOKEN).validate(PUBLIC_URL + PATH, world.bot.forms[-1], signature)
    assert not RequestValidator(TOKEN).validate(PUBLIC_URL + "/status-callback", world.bot.forms[-1], signature)


def test_shuffled_callbacks_are_all_there_in_another_order(world: World) -> None:
    world.bot.answers(status=204, path="/status-callback")
    world.break_down(callbacks="shuffled")
    for _ in range(10):
        send(world)
    orders = [told(world)[start : start + 4] for start in range(0, 40, 4)]
    assert all(sorted(order) == sorted(STATUSES) and order != STATUSES for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    seen = [event["status"] for event in world.happened("status")][:4]
    assert seen == STATUSES, "on the phone everything happens in order"


def test_repeated_callbacks_come_twice(world: World) -> None:
    world.bot.answers(status=204, path="/status-callback")
    world.break_down(callbacks="repeated")
    send(world)
    assert Counter(told(world)) == dict.fromkeys(STATUSES, 2)


def test_delayed_callbacks_take_a_while(world: World) -> None:
    world.bot.answers(status=204, path="/status-callback")
    world.break_down(callbacks="delayed", callback_delay_ms=600_000)
    send(world)
    assert told(world) == STATUSES
    assert max(world.pauses) > 1
    assert max(world.pauses) <= 600


def test_without_callbacks_the_message_arrives_all_the_same(world: World) -> None:
    world.break_down(callbacks="off")
    sid = send(world)
    assert world.bot.requests == []
    message = world.twilio("GET", f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json")
    assert body_of(message)["status"] == "read"


@pytest.mark.parametrize(
    ("failure", "overrides", "attempts"),
    [
        (503, "", 1),
        (503, "#rc=2&rp=ct,rt,5xx", 3),
        (403, "#rc=2&rp=ct,rt,5xx", 1),
        (requests.ConnectionError(), "", 2),
        (requests.ReadTimeout(), "", 1),
        (requests.ReadTimeout(), "#rc=3&rp=rt", 4),
        (503, "#rc=what", 1),
    ],
)
def test_a_callback_is_repeated_as_its_url_says(
    world: World, failure: int | Exception, overrides: str, attempts: int
) -> None:
    if isinstance(failure, int):
        world.bot.answers(status=failure, path="/status-callback")
    else:
        world.bot.answers(failure, path="/status-callback")
    send(world, overrides)
    assert told(world) == [status for status in STATUSES for _ in range(attempts)]
    assert world.sent["callbacks"] == {"posted": 4, "failed": 4, "messages_under_way": 0}
