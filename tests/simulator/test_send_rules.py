"""What goes wrong with messages to chosen people: at the call, behind it, and in the callbacks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.simulated_world import ASHA, World, body_of

CALLBACK = "https://bot.example.org/cb?broadcast=b1&row=7"
OTHER = "whatsapp:+919999999917"
CODES = (
    *(20429, 63010, 63012, 63017, 63018, 63038, 63051, 63041, 63013, 63020, 20003, 63007, 63015, 21610, 63014),
    *(21211, 63003, 63024, 63049, 63032, 63016, 21656, 63027, 63028, 63021, 63019, 21617),
)


def told(world: World) -> list[str]:
    return [form["MessageStatus"] for form in world.bot.forms]


@pytest.fixture(autouse=True)
def bot_takes_callbacks(world: World) -> None:
    world.bot.http.post("https://bot.example.org/cb", status=204)


@pytest.mark.parametrize("code", CODES)
def test_every_class_of_error_can_answer_the_call(world: World, code: int) -> None:
    world.rule({"on_send": {"code": code}})
    answer = world.send(Body="News", StatusCallback=CALLBACK)
    assert answer.status_code == {20429: 429, 20003: 401}.get(code, 400)
    assert body_of(answer).keys() == {"code", "message", "more_info", "status"}
    assert (body_of(answer)["code"], body_of(answer)["status"]) == (code, answer.status_code)
    assert not body_of(answer)["message"].startswith("Twilio's error")
    assert (told(world), world.happened("reply"), world.sent["total"]) == ([], [], 0)


@pytest.mark.parametrize("code", CODES)
def test_every_class_of_error_can_come_by_callback(world: World, code: int) -> None:
    world.rule({"on_callback": {"code": code}})
    answer = world.send(Body="News", StatusCallback=CALLBACK)
    assert answer.status_code == 201
    assert told(world) == ["queued", "sent", "undelivered"]
    last = world.bot.forms[-1]
    assert (last["ErrorCode"], last["SmsStatus"]) == (str(code), "undelivered")
    assert last["ErrorMessage"]
    assert "ErrorCode" not in world.bot.forms[1]
    assert world.happened("status")[-1]["error_code"] == code
    assert world.happened("reply") == [], "nothing arrives on the phone"


def test_a_failure_can_come_before_anything_was_sent(world: World) -> None:
    world.rule({"on_callback": {"status": "failed", "code": 63018}})
    sid = body_of(world.send(Body="News", StatusCallback=CALLBACK))["sid"]
    assert told(world) == ["queued", "failed"]
    message = body_of(world.twilio("GET", f"/2010-04-01/Accounts/AC{'0' * 32}/Messages/{sid}.json"))
    assert (message["status"], message["error_code"]) == ("failed", 63018)
    assert message["error_message"] == "Rate limit exceeded for channel"


@pytest.mark.parametrize("sent", [True, False])
def test_a_500_says_nothing_about_the_message(world: World, sent: bool) -> None:
    world.rule({"on_send": {"status": 500, "sent": sent}})
    answer = world.send(Body="News", StatusCallback=CALLBACK)
    assert (answer.status_code, body_of(answer)["code"]) == (500, 20500)
    assert len(world.happened("reply")) == world.sent["total"] == sent
    assert told(world)[-1:] == (["read"] if sent else [])


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("how", [{"silence_seconds": 20}, {"reset": True}])
def test_no_answer_says_nothing_either(world: World, how: dict[str, Any], sent: bool) -> None:
    world.rule({"on_send": how | {"sent": sent}})
    with pytest.raises(ConnectionResetError):
        world.send(Body="News", StatusCallback=CALLBACK)
    assert (20.0 in world.pauses) == ("silence_seconds" in how)
    assert len(world.happened("reply")) == world.sent["total"] == sent


def test_a_rule_is_over_after_its_times_and_counts_each_person(world: World) -> None:
    rules = [{"suffix": "17", "on_send": {"code": 63012}, "times": 2}]
    assert world.client.put("/sim/rules", json=rules).status_code == 200
    for person in (OTHER, "whatsapp:+918888888817"):
        assert [world.send(To=person, Body="News").status_code for _ in range(3)] == [400, 400, 201]
    assert world.send(Body="News").status_code == 201
    assert world.client.put("/sim/rules", json=rules).status_code == 200
    assert world.send(To=OTHER, Body="News").status_code == 400, "new rules begin at zero"


def test_the_closest_rule_holds(world: World) -> None:
    rules = [{"suffix": "7", "on_send": {"code": 63010}}, {"suffix": "17", "on_send": {"code": 63012}}]
    world.client.put("/sim/rules", json=rules)
    assert body_of(world.send(To=OTHER, Body="News"))["code"] == 63012
    world.rule({"on_send": {"status": 400, "code": 21610}}, OTHER)
    assert body_of(world.send(To=OTHER, Body="News"))["code"] == 21610
    assert body_of(world.client.get("/sim/recipients")) == {
        OTHER: {"on_send": {"status": 400, "code": 21610, "sent": False}, "on_callback": None, "times": None}
    }
    world.client.delete(f"/sim/recipients/{OTHER}")
    assert body_of(world.send(To=OTHER, Body="News"))["code"] == 63012
    assert [rule["suffix"] for rule in body_of(world.client.get("/sim/rules"))] == ["17", "7"]
    world.client.put("/sim/rules", json=[])
    assert world.send(To=OTHER, Body="News").status_code == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"on_send": {}},
        {"on_send": 500},
        {"on_send": {"status": 200}},
        {"on_send": {"code": 7}},
        {"on_send": {"status": 500, "reset": True}},
        {"on_send": {"reset": False}},
        {"on_send": {"silence_seconds": 0}},
        {"on_send": {"status": 500, "sent": "yes"}},
        {"on_callback": {"status": "read", "code": 63018}},
        {"on_callback": {"status": "failed"}},
        {"on_callback": {"status": "failed", "code": 63018, "then": "sent"}},
        {"on_send": {"code": 63018}, "times": 0},
        {"on_send": {"code": 63018}, "often": 2},
    ],
)
def test_a_rule_that_makes_no_sense_is_explained(world: World, wrong: dict[str, Any]) -> None:
    assert body_of(world.client.put(f"/sim/recipients/{ASHA}", json=wrong))["error"]
    assert world.client.put("/sim/rules", json=[{"suffix": "17"} | wrong]).status_code == 400
    assert (world.client.get("/sim/recipients").json, world.client.get("/sim/rules").json) == ({}, [])


@pytest.mark.parametrize(
    ("then", "statuses"),
    [("delivered", ["queued", "failed", "delivered"]), ("read", ["queued", "failed", "delivered", "read"])],
)
def test_a_message_may_arrive_after_it_was_said_to_have_failed(world: World, then: str, statuses: list[str]) -> None:
    world.rule({"on_callback": {"status": "failed", "code": 63018, "then": then}})
    world.send(Body="News", StatusCallback=CALLBACK)
    assert told(world) == statuses
    assert [form.get("ErrorCode") for form in world.bot.forms] == [None, "63018", *[None] * (len(statuses) - 2)]
    assert [event["text"] for event in world.happened("reply")] == ["News"]


@pytest.mark.parametrize("wrong", [{}, ["17"], [{"on_send": {"code": 63018}}], [{"suffix": "+", "on_send": {}}]])
def test_rules_are_a_list_with_suffixes(world: World, wrong: Any) -> None:
    assert world.client.put("/sim/rules", json=wrong).status_code == 400


# --- the 24-hour window and Advanced Opt-Out -------------------------------------------------------------------------


def test_free_text_outside_the_window_fails_by_callback(world: World) -> None:
    world.bot.replies()
    world.break_down(window="enforced")
    assert world.send(Body="News", StatusCallback=CALLBACK).status_code == 201
    assert world.bot.forms[-1]["ErrorCode"] == "63016", "nobody has written yet"
    world.write("Hi")
    world.clock.advance(hours=24)
    world.send(Body="News", StatusCallback=CALLBACK)
    assert world.bot.forms[-1]["MessageStatus"] == "read"
    world.clock.advance(seconds=1)
    world.send(Body="News", StatusCallback=CALLBACK)
    assert world.bot.forms[-1]["ErrorCode"] == "63016"


@pytest.mark.parametrize(
    ("word", "type_"), [("stop", "STOP"), (" Unsubscribe ", "STOP"), ("START", "START"), ("help", "HELP")]
)
def test_twilio_answers_keywords_itself_when_told_to(world: World, word: str, type_: str) -> None:
    world.bot.replies()
    world.break_down(advanced_opt_out="on")
    world.write(word)
    assert world.bot.forms[0]["OptOutType"] == type_
    assert [reply["text"].startswith("Twilio: ") for reply in world.happened("reply")] == [True]
    assert world.happened("reply")[0]["in_reply_to"] is None


def test_after_stop_twilio_refuses_until_start(world: World) -> None:
    world.bot.replies()
    world.break_down(advanced_opt_out="on")
    world.write("STOP")
    assert body_of(world.send(Body="News"))["code"] == 21610
    world.write("START")
    assert world.send(Body="News").status_code == 201


def test_other_words_and_other_times_are_the_bots_own_matter(world: World) -> None:
    world.bot.replies()
    world.write("STOP")
    world.break_down(advanced_opt_out="on")
    world.write("please stop")
    assert [form.get("OptOutType") for form in world.bot.forms] == [None, None]
    assert world.happened("reply") == []
