"""What the bot sends over Twilio's REST API, and the status callbacks that follow."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from simulated_world import ACCOUNT, ASHA, BOT_URL, OLD_TOKEN, PUBLIC_URL, TOKEN, World, body_of
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
SENDER = "whatsapp:+14155238886"


def send(world: World, token: str = TOKEN, account: str = ACCOUNT, **form: str) -> TestResponse:
    form = {"To": ASHA, "From": SENDER} | form
    return world.client.post(f"{MESSAGES}.json", data=form, auth=(account, token))


def read(world: World, path: str) -> Any:
    return world.client.get(path, auth=(ACCOUNT, TOKEN)).json


def test_a_message_is_accepted_and_shown(world: World) -> None:
    answer = send(world, Body="Your OTP is on its way")
    assert answer.status_code == 201
    message = body_of(answer)
    assert message["sid"].startswith("SM")
    assert (message["status"], message["to"], message["direction"]) == ("queued", ASHA, "outbound-api")
    assert message["date_created"] == "Sun, 22 Nov 2026 10:00:00 +0000"
    assert world.happened("reply") == [
        {"message_sid": message["sid"], "text": "Your OTP is on its way", "in_reply_to": None}
    ]
    assert read(world, f"{MESSAGES}/{message['sid']}.json")["status"] == "read"


def test_a_template_is_shown_with_its_variables(world: World) -> None:
    assert send(world, ContentSid="HX1", ContentVariables='{"1": "Asha"}').status_code == 201
    assert world.happened("reply")[0]["text"] == "Template HX1\n1: Asha"


def test_status_callbacks_are_signed_and_reach_the_bot(world: World) -> None:
    world.bot.answers(status=204, path="/status-callback?row=7")
    send(world, Body="Hi", StatusCallback=f"{PUBLIC_URL}/status-callback?row=7#rc=2")
    assert [form["MessageStatus"] for form in world.bot.forms] == ["queued", "sent", "delivered", "read"]
    assert world.bot.forms[-1]["EventType"] == "READ"
    assert {request.url for request in world.bot.requests} == {f"{BOT_URL}/status-callback?row=7"}
    for request, form in zip(world.bot.requests, world.bot.forms, strict=True):
        signature = request.headers["X-Twilio-Signature"]
        assert RequestValidator(TOKEN).validate(f"{PUBLIC_URL}/status-callback?row=7", form, signature)


def test_a_callback_that_fails_does_not_hold_the_message(world: World) -> None:
    world.bot.http.post("https://bot.example.org/cb", body=requests.ConnectionError())
    sid = body_of(send(world, Body="Hi", StatusCallback="https://bot.example.org/cb"))["sid"]
    assert read(world, f"{MESSAGES}/{sid}.json")["status"] == "read"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"Body": "Hi", "To": ""}, 21604),
        ({"Body": "Hi", "To": "+919876543210"}, 21211),
        ({"Body": "Hi", "From": ""}, 21603),
        ({"Body": "Hi", "From": "whatsapp:+10000000000"}, 63007),
        ({}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"ContentSid": "HX1", "ContentVariables": "[]"}, 21656),
        ({"ContentSid": "HX1", "ContentVariables": "{"}, 21656),
    ],
)
def test_what_twilio_refuses_has_its_error_code(world: World, form: dict[str, str], code: int) -> None:
    answer = send(world, **form)
    assert answer.status_code == 400
    assert body_of(answer)["code"] == code
    assert body_of(answer)["more_info"].endswith(str(code))
    assert world.happened("reply") == []


def test_credentials_are_asked_for(world: World) -> None:
    for answer in (
        world.client.post(f"{MESSAGES}.json", data={"To": ASHA, "From": SENDER, "Body": "Hi"}),
        send(world, token="wrong", Body="Hi"),
        send(world, account="ACother", Body="Hi"),
    ):
        assert answer.status_code == 401
        assert body_of(answer)["code"] == 20003
    assert send(world, token=OLD_TOKEN, Body="Hi").status_code == 201


def test_the_account_can_be_read_and_no_other(world: World) -> None:
    assert read(world, f"/2010-04-01/Accounts/{ACCOUNT}.json")["status"] == "active"
    assert read(world, "/2010-04-01/Accounts/ACother.json")["code"] == 20404
    assert read(world, f"{MESSAGES}/SMunknown.json")["code"] == 20404
