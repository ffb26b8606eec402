"""The control API behind the chat page: writing, looking on, faults and transcripts."""

from __future__ import annotations

import json
import sqlite3
from itertools import islice
from typing import Any

import pytest

from simulator.app import create_simulator
from simulator.settings import Settings
from tests.simulator.simulated_world import ASHA, BOT_URL, World, body_of


def streamed(world: World, count: int, after: str = "", last_event_id: str = "") -> list[dict[str, Any]]:
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    answer = world.client.get(f"/sim/events{after}", headers=headers)
    assert answer.mimetype == "text/event-stream"
    parts = (part.decode() if isinstance(part, bytes) else part for part in answer.response)
    assert next(parts) == "retry: 1000\n\n"
    blocks = list(islice(parts, count))
    answer.close()
    for block in blocks:
        assert block.startswith("id: ")
        assert block.endswith("\n\n")
    return [json.loads(block.split("data: ", 1)[1]) for block in blocks]


def test_the_stream_tells_what_happened_in_order(world: World) -> None:
    world.bot.replies("Welcome")
    sid = body_of(world.write("Hi", profile_name="Asha"))["message_sid"]
    first = streamed(world, 1)[0]
    assert first == {
        "id": 1,
        "at": "2026-11-22T10:00:00.000Z",
        "kind": "inbound",
        "person": ASHA,
        "message_sid": sid,
        "type": "text",
        "text": "Hi",
        "profile_name": "Asha",
    }
    assert [event["id"] for event in streamed(world, 3, "?after=2")] == [3, 4, 5]
    assert [event["id"] for event in streamed(world, 2, "?after=2", last_event_id="5")] == [6, 7]
    assert world.client.get("/sim/events?after=x").status_code == 400


def test_who_does_not_follow_is_told_all_that_has_happened_and_no_more(world: World) -> None:
    world.bot.replies("Welcome")
    for _ in range(200):  # more than one batch
        world.write("Hi")
    told = world.client.get("/sim/events?follow=no").text
    ids = [int(line[4:]) for line in told.splitlines() if line.startswith("id: ")]
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) > 600
    assert world.client.get(f"/sim/events?follow=no&after={ids[-1]}").text == "retry: 1000\n\n"


def test_a_closed_log_ends_its_streams(world: World) -> None:
    stream = world.log.stream(0)
    assert next(stream).startswith("retry")
    world.log.close()
    assert list(stream) == []


def test_people_are_those_who_have_written(world: World) -> None:
    world.bot.replies("Welcome")
    world.write(profile_name="Asha")
    world.clock.advance(minutes=1)
    world.write(person="whatsapp:IN.1234")
    world.clock.advance(minutes=1)
    world.write()
    assert world.client.get("/sim/people").json == {
        "people": [
            {"person": ASHA, "profile_name": "Asha", "last_message_at": "2026-11-22T10:02:00.000Z"},
            {"person": "whatsapp:IN.1234", "profile_name": "", "last_message_at": "2026-11-22T10:01:00.000Z"},
        ]
    }


def test_a_conversation_becomes_a_transcript(world: World) -> None:
    twiml = "<Response><Message>{}</Message></Response>"
    for reply in ("Welcome", "https://web.example/login?source=whatsapp&amp;token=abc.def-g Bye"):
        world.bot.http.post(f"{BOT_URL}/webhook", body=twiml.format(reply), content_type="text/xml")
    world.bot.http.post(f"{BOT_URL}/webhook", body="<Response/>", content_type="text/xml")
    world.write("Hi", profile_name="Asha")
    world.write("YES", copies=2)
    world.write("", type="audio")
    assert world.client.get("/sim/transcript", query_string={"person": ASHA}).json == {
        "name": "Asha",
        "person": ASHA,
        "turns": [
            {"inbound": {"type": "text", "text": "Hi"}, "reply": "Welcome"},
            {
                "inbound": {"type": "text", "text": "YES"},
                "reply": "https://web.example/login?source=whatsapp&token=TOKEN Bye",
            },
            {"inbound": {"type": "audio", "text": ""}, "reply": None},
        ],
    }
    assert world.client.get("/sim/transcript?person=nobody").status_code == 404


HEALTHY = {
    "auth_api": "ok",
    "redeliver": "off",
    "messages_per_second": "off",
    "retry_after_seconds": "off",
    "send_delay_ms": 0,
    "callbacks": "ok",
    "callback_delay_ms": 3000,
    "window": "off",
    "advanced_opt_out": "off",
    "template_approval_seconds": 6,
    "template_category": "as_submitted",
    "user_ids": "ok",
    "record_events": "on",
}


def test_faults_are_read_changed_and_told(world: World) -> None:
    assert world.client.get("/sim/faults").json == HEALTHY
    assert world.client.put("/sim/faults", json={"auth_api": "slow"}).json == HEALTHY | {"auth_api": "slow"}
    limited = HEALTHY | {"auth_api": "slow", "messages_per_second": 80}
    assert world.client.put("/sim/faults", json={"messages_per_second": 80}).json == limited
    assert world.happened("fault") == [HEALTHY | {"auth_api": "slow"}, limited]
    assert world.client.put("/sim/faults", json={"messages_per_second": "off"}).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"auth_api": "odd"},
        {"auth_api": 1},
        {"weather": "rain"},
        {"messages_per_second": 0},
        {"messages_per_second": "80"},
        {"send_delay_ms": "off"},
        {"send_delay_ms": True},
    ],
)
def test_faults_that_do_not_exist_change_nothing(world: World, wrong: dict[str, Any]) -> None:
    assert world.client.put("/sim/faults", json={"callbacks": "off"} | wrong).status_code == 400
    assert world.client.get("/sim/faults").json == HEALTHY


def test_a_restart_keeps_the_conversation_and_heals_the_faults(world: World, settings: Settings) -> None:
    world.bot.replies("Welcome")
    world.write()
    world.break_down(auth_api="down")
    restarted = create_simulator(settings)
    again = World(restarted.app.test_client(), restarted.events, world.clock, world.bot)
    assert [event["text"] for event in again.happened("inbound")] == ["Hi"]
    assert again.happened("fault")[-1] == again.client.get("/sim/faults").json
    assert body_of(again.client.get("/sim/faults"))["auth_api"] == "ok"
    restarted.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"person": "9876543210"},
        {"person": "whatsapp:9876543210"},
        {"text": "  "},
        {"text": "x" * 1601},
        {"text": 5},
        {"type": "video"},
        {"copies": 0},
        {"copies": True},
        {"gap_ms": -1},
        {"delay_ms": "soon"},
        {"signature": "forged"},
    ],
)
def test_what_cannot_be_sent_is_explained(world: World, wrong: dict[str, Any]) -> None:
    answer = world.write(**wrong)
    assert answer.status_code == 400
    assert body_of(answer)["error"]
    assert world.log.after(0) == []


def test_half_a_character_is_refused(world: World) -> None:
    body = '{"from": "whatsapp:+919876543210", "text": "\\ud83d"}'
    assert world.client.post("/sim/messages", data=body, content_type="application/json").status_code == 400


def test_only_json_is_taken(world: World) -> None:
    assert world.client.post("/sim/messages", data={"from": ASHA, "text": "Hi"}).status_code == 415
    assert world.client.post("/sim/messages", data="{", content_type="application/json").status_code == 400
    assert world.client.post("/sim/messages", json={"message_sid": "SMunknown"}).status_code == 404


def test_the_chat_page_has_a_strict_policy(world: World) -> None:
    answer = world.client.get("/")
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def test_the_log_is_json_without_anything_personal(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.bot.replies("Welcome Asha")
    world.write("My name is Asha", profile_name="Asha")
    world.ask_for_code()
    world.client.get("/login?token=secret&phone=%2B919876543210")
    written = capsys.readouterr().out
    lines = [json.loads(line) for line in written.splitlines()]
    assert {"time", "event"} <= lines[0].keys()
    assert {line["event"] for line in lines} == {"request", "webhook"}
    for secret in ("9876543210", "Asha", "secret", world.code):
        assert secret not in written


def test_a_tapped_button_arrives_with_its_payload(world: World) -> None:
    world.bot.replies("Thank you")
    world.write("Yes, please", type="button", payload="yes")
    fields = {"MessageType": "button", "Body": "Yes, please", "ButtonText": "Yes, please", "ButtonPayload": "yes"}
    assert world.bot.forms[0].items() >= fields.items()


def test_a_database_of_an_older_simulator_is_taken_over(settings: Settings) -> None:
    settings.database.parent.mkdir(parents=True)
    with sqlite3.connect(settings.database) as old:
        old.execute(
            "CREATE TABLE inbound_messages (sid TEXT PRIMARY KEY, person TEXT NOT NULL,"
            " idempotency_token TEXT NOT NULL, form TEXT NOT NULL)"
        )
        old.execute(
            "CREATE TABLE outbound_messages (sid TEXT PRIMARY KEY, person TEXT NOT NULL, body TEXT NOT NULL,"
            " status TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL)"
        )
        old.execute("INSERT INTO outbound_messages VALUES ('SM1', 'whatsapp:+919876543210', 'Hi', 'read', '', '')")
    old.close()
    for _ in range(2):
        simulator = create_simulator(settings)
        row = simulator.database.row("SELECT error_code FROM outbound_messages")
        assert row is not None
        assert row["error_code"] is None
        simulator.close()
