"""What the bot sends over Twilio's REST API, and the status callbacks that follow."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from twilio.request_validator import RequestValidator

from tests.simulator.simulated_world import ACCOUNT, ASHA, BOT_URL, OLD_TOKEN, PUBLIC_URL, SENDER, TOKEN, World, body_of

MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"


def read(world: World, path: str) -> Any:
    return world.client.get(path, auth=(ACCOUNT, TOKEN)).json


def test_a_message_is_accepted_and_shown(world: World) -> None:
    answer = world.send(Body="Your OTP is on its way")
    assert answer.status_code == 201
    message = body_of(answer)
    assert message["sid"].startswith("SM")
    assert (message["status"], message["to"], message["direction"]) == ("queued", ASHA, "outbound-api")
    assert message["date_created"] == "Sun, 22 Nov 2026 10:00:00 +0000"
    assert world.happened("reply") == [
        {"message_sid": message["sid"], "text": "Your OTP is on its way", "in_reply_to": None}
    ]
    assert read(world, f"{MESSAGES}/{message['sid']}.json")["status"] == "read"


def test_status_callbacks_are_signed_and_reach_the_bot(world: World) -> None:
    world.bot.answers(status=204, path="/status-callback?row=7")
    world.send(Body="Hi", StatusCallback=f"{PUBLIC_URL}/status-callback?row=7#rc=2")
    assert [form["MessageStatus"] for form in world.bot.forms] == ["queued", "sent", "delivered", "read"]
    assert world.bot.forms[-1]["EventType"] == "READ"
    assert {request.url for request in world.bot.requests} == {f"{BOT_URL}/status-callback?row=7"}
    for request, form in zip(world.bot.requests, world.bot.forms, strict=True):
        signature = request.headers["X-Twilio-Signature"]
        assert RequestValidator(TOKEN).validate(f"{PUBLIC_URL}/status-callback?row=7", form, signature)


def test_a_callback_that_fails_does_not_hold_the_message(world: World) -> None:
    world.bot.http.post("https://bot.example.org/cb", body=requests.ConnectionError())
    sid = body_of(world.send(Body="Hi", StatusCallback="https://bot.example.org/cb"))["sid"]
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
        ({"ContentSid": "HX1"}, 21655),
        ({"Body": "Hi", "StatusCallback": "/status-callback"}, 21609),
    ],
)
def test_what_twilio_refuses_has_its_error_code(world: World, form: dict[str, str], code: int) -> None:
    answer = world.send(**form)
    assert answer.status_code == 400
    assert body_of(answer)["code"] == code
    assert body_of(answer)["more_info"].endswith(str(code))
    assert world.happened("reply") == []


def test_credentials_are_asked_for(world: World) -> None:
    for answer in (
        world.client.post(f"{MESSAGES}.json", data={"To": ASHA, "From": SENDER, "Body": "Hi"}),
        world.send(token="wrong", Body="Hi"),
        world.send(account="ACother", Body="Hi"),
    ):
        assert answer.status_code == 401
        assert body_of(answer)["code"] == 20003
    assert world.send(token=OLD_TOKEN, Body="Hi").status_code == 201


def test_the_account_can_be_read_and_no_other(world: World) -> None:
    assert read(world, f"/2010-04-01/Accounts/{ACCOUNT}.json")["status"] == "active"
    assert read(world, "/2010-04-01/Accounts/ACother.json")["code"] == 20404
    assert read(world, f"{MESSAGES}/SMunknown.json")["code"] == 20404


def test_messages_of_both_directions_are_listed_in_pages(world: World) -> None:
    world.bot.replies()
    world.write("Hi")
    world.clock.advance(days=1)
    for number in range(3):
        world.clock.advance(seconds=1)
        world.send(Body=f"News {number}")
    world.send(Body="Other", To="whatsapp:+919999999999")
    page = read(world, f"{MESSAGES}.json?To={ASHA.replace('+', '%2B')}&PageSize=2")
    assert [message["body"] for message in page["messages"]] == ["News 2", "News 1"]
    assert (page["page"], page["page_size"], page["start"], page["end"]) == (0, 2, 0, 1)
    last = read(world, page["next_page_uri"])
    assert [message["body"] for message in last["messages"]] == ["News 0"]
    assert last["next_page_uri"] is None
    assert read(world, last["previous_page_uri"])["messages"] == page["messages"]
    received = read(world, f"{MESSAGES}.json?From={ASHA.replace('+', '%2B')}")["messages"]
    assert [(message["body"], message["direction"], message["status"]) for message in received] == [
        ("Hi", "inbound", "received")
    ]


def test_a_reply_is_told_from_what_the_bot_sends_on_its_own_account(world: World) -> None:
    world.bot.replies("Your name?")
    world.write("Hi")
    world.clock.advance(seconds=1)
    world.send(Body="News")
    listed = read(world, f"{MESSAGES}.json?To={ASHA.replace('+', '%2B')}")["messages"]
    assert [(message["body"], message["direction"]) for message in listed] == [
        ("News", "outbound-api"),
        ("Your name?", "outbound-reply"),
    ]


@pytest.mark.parametrize(
    ("query", "bodies"),
    [
        ("DateSent=2026-11-22", ["first"]),
        ("DateSent>=2026-11-23", ["third", "second"]),
        ("DateSent%3E=2026-11-23T10:00:00Z", ["third", "second"]),
        ("DateSent<=2026-11-23", ["second", "first"]),
        ("DateSent>=2026-11-23&DateSent<=2026-11-23", ["second"]),
        ("From=whatsapp:%2B919999999999", []),
    ],
)
def test_lists_are_filtered_by_day(world: World, query: str, bodies: list[str]) -> None:
    for body in ("first", "second", "third"):
        world.send(Body=body)
        world.clock.advance(days=1)
    assert [message["body"] for message in read(world, f"{MESSAGES}.json?{query}")["messages"]] == bodies


def test_a_wrong_day_or_page_is_refused(world: World) -> None:
    assert read(world, f"{MESSAGES}.json?DateSent=yesterday")["code"] == 20001
    assert read(world, f"{MESSAGES}.json?Page=last")["code"] == 20001


def test_messages_can_be_deleted(world: World) -> None:
    world.bot.replies()
    for sid in (body_of(world.send(Body="Hi"))["sid"], body_of(world.write("Hi"))["message_sid"]):
        assert read(world, f"{MESSAGES}/{sid}.json")["sid"] == sid
        assert world.twilio("DELETE", f"{MESSAGES}/{sid}.json").status_code == 204
        assert read(world, f"{MESSAGES}/{sid}.json")["code"] == 20404
        assert world.twilio("DELETE", f"{MESSAGES}/{sid}.json").status_code == 404
    assert read(world, f"{MESSAGES}.json")["messages"] == []


def test_a_message_is_not_deleted_before_it_is_on_its_way(world: World) -> None:
    answers = []

    def delete(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        form = dict(parse_qsl(str(request.body)))
        answer = world.twilio("DELETE", f"{MESSAGES}/{form['MessageSid']}.json")
        answers.append((form["MessageStatus"], answer.status_code))
        return 204, {}, ""

    world.bot.http.add_callback("POST", f"{BOT_URL}/status-callback", delete)
    world.send(Body="Hi", StatusCallback=f"{PUBLIC_URL}/status-callback")
    assert answers[:2] == [("queued", 409), ("sent", 204)]
    refused = world.twilio("DELETE", f"{MESSAGES}/SM{'0' * 32}.json")
    assert body_of(refused)["code"] == 20404


def test_media_can_be_listed_and_deleted_without_their_message(world: World) -> None:
    world.bot.replies()
    sid = body_of(world.write("", type="audio"))["message_sid"]
    media = read(world, f"{MESSAGES}/{sid}/Media.json")["media_list"]
    assert [(medium["content_type"], medium["parent_sid"]) for medium in media] == [("audio/ogg", sid)]
    assert read(world, f"{MESSAGES}/{sid}.json")["num_media"] == "1"
    assert world.twilio("DELETE", media[0]["uri"]).status_code == 204
    assert world.twilio("DELETE", media[0]["uri"]).status_code == 404
    assert read(world, f"{MESSAGES}/{sid}/Media.json")["media_list"] == []
    assert read(world, f"{MESSAGES}/{sid}.json")["num_media"] == "0"
