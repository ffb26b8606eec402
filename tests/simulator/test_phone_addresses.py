"""A phone's number and WhatsApp user id: what its messages carry, and what reaches it, when they change."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import requests

from simulator.app import create_simulator
from simulator.settings import Settings
from tests.simulator.simulated_world import ACCOUNT, ASHA, BOT_URL, PUBLIC_URL, SENDER, TOKEN, World, body_of

MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
USER_ID = re.compile(r"whatsapp:IN\.\d+")
FAIR = {"friendly_name": "fair", "language": "en", "types": {"twilio/text": {"body": "The fair opens on Monday"}}}


@pytest.fixture(autouse=True)
def bot_listens(world: World) -> None:
    world.bot.replies("Welcome")
    world.bot.answers(status=204, path="/status-callback")


def writes(world: World, person: str = ASHA, text: str = "Hi") -> dict[str, str]:
    """The form of the webhook that this message becomes."""
    answer = world.write(text, person=person)
    assert answer.status_code == 202, answer.get_data(as_text=True)
    return next(form for form in reversed(world.bot.forms) if form.get("MessageSid") == body_of(answer)["message_sid"])


def phone(world: World, person: str = ASHA) -> Any:
    return body_of(world.client.get(f"/sim/phones/{person}"))


def hides(world: World, person: str = ASHA, *, hides_number: bool = True) -> Any:
    return body_of(world.client.put(f"/sim/phones/{person}", json={"hides_number": hides_number}))


def takes_new_number(world: World, person: str = ASHA) -> Any:
    return body_of(world.client.post(f"/sim/phones/{person}/new-number", json={}))


def passes_number_on(world: World, person: str = ASHA) -> Any:
    """The phone of the person who has the number now."""
    return body_of(world.client.post(f"/sim/phones/{person}/pass-on", json={}))


def chat_of(world: World, person: str) -> list[str]:
    """What the bot has written to this person."""
    return [event.fields["text"] for event in world.log.of_person(person) if event.kind == "reply"]


def listed(world: World, **filters: str) -> list[tuple[str, str, str]]:
    answer = world.client.get(f"{MESSAGES}.json", query_string=filters, auth=(ACCOUNT, TOKEN))
    return [(message["from"], message["to"], message["body"]) for message in body_of(answer)["messages"]]


# --- what webhooks carry ---------------------------------------------------------------------------------------------


def test_every_message_carries_the_same_id_beside_the_number(world: World) -> None:
    forms = [writes(world), writes(world, text="Asha Devi")]
    assert {form["From"] for form in forms} == {ASHA}
    assert {form["WaId"] for form in forms} == {"919876543210"}
    assert len({form["ExternalUserId"] for form in forms}) == 1
    assert USER_ID.fullmatch(forms[0]["ExternalUserId"])
    assert writes(world, "whatsapp:+919812345678")["ExternalUserId"] != forms[0]["ExternalUserId"]


def test_the_id_outlasts_a_restart(world: World, settings: Settings) -> None:
    before = writes(world)["ExternalUserId"]
    restarted = create_simulator(settings)
    assert phone(World(restarted.app.test_client(), restarted.events, world.clock, world.bot))["user_id"] == before
    restarted.close()


def test_a_hidden_number_is_nowhere_in_the_webhook_and_the_id_stays(world: World) -> None:
    shown = writes(world)
    assert hides(world) == {
        "person": ASHA,
        "number": ASHA,
        "user_id": shown["ExternalUserId"],
        "hides_number": True,
    }
    hidden = writes(world)
    assert hidden["From"] == hidden["ExternalUserId"] == shown["ExternalUserId"]
    assert "WaId" not in hidden
    assert "9876543210" not in str(hidden)
    hides(world, hides_number=False)
    again = writes(world)
    assert (again["From"], again["WaId"]) == (ASHA, "919876543210")
    assert again["ExternalUserId"] == shown["ExternalUserId"]


def test_a_message_that_is_delivered_again_keeps_its_addresses(world: World) -> None:
    sid = body_of(world.write())["message_sid"]
    hides(world)
    world.client.post("/sim/messages", json={"message_sid": sid})
    assert world.bot.forms[0] == world.bot.forms[-1]


def test_a_new_number_comes_with_a_new_id(world: World) -> None:
    before = writes(world)
    new = takes_new_number(world)
    after = writes(world)
    assert after["From"] == new["number"] != ASHA
    assert after["ExternalUserId"] == new["user_id"] != before["ExternalUserId"]
    assert after["WaId"] == new["number"].removeprefix("whatsapp:+")


def test_who_hides_the_number_goes_on_hiding_the_new_one(world: World) -> None:
    hides(world)
    new = takes_new_number(world)
    assert writes(world)["From"] == new["user_id"]


def test_a_number_that_is_passed_on_comes_with_another_id(world: World) -> None:
    before = writes(world)
    other = passes_number_on(world)
    assert (other["number"], other["hides_number"]) == (ASHA, False)
    theirs = writes(world, other["person"])
    assert theirs["From"] == ASHA
    assert theirs["ExternalUserId"] == other["user_id"] != before["ExternalUserId"]
    earlier = writes(world)
    assert earlier["From"] == earlier["ExternalUserId"] == before["ExternalUserId"]
    assert "WaId" not in earlier


def test_a_number_goes_through_many_hands(world: World) -> None:
    people = [ASHA]
    for _ in range(3):
        people.append(passes_number_on(world, people[-1])["person"])
    senders = [writes(world, person)["From"] for person in people]
    assert senders == [*(phone(world, person)["user_id"] for person in people[:-1]), ASHA]
    assert len({writes(world, person)["ExternalUserId"] for person in people}) == len(people)


def test_who_has_passed_a_number_on_can_get_another(world: World) -> None:
    passes_number_on(world)
    new = takes_new_number(world)
    assert writes(world)["From"] == new["number"]


def test_somebody_who_never_showed_a_number_can_get_one(world: World) -> None:
    writes(world, "whatsapp:IN.1234")
    assert phone(world, "whatsapp:IN.1234")["number"] is None
    new = takes_new_number(world, "whatsapp:IN.1234")
    hides(world, "whatsapp:IN.1234", hides_number=False)
    assert writes(world, "whatsapp:IN.1234")["From"] == new["number"]


def test_the_phone_can_be_named_by_its_id(world: World) -> None:
    """As a message's sender too; where the name is also an address that somebody else has by now, the name counts."""
    own = writes(world)["ExternalUserId"]
    assert writes(world, own)["From"] == ASHA
    assert phone(world, own)["person"] == ASHA
    other = passes_number_on(world)
    assert writes(world, ASHA)["ExternalUserId"] == own
    assert phone(world, other["user_id"])["person"] == other["person"]


def test_a_number_that_was_given_up_is_free_for_somebody_else(world: World) -> None:
    second = takes_new_number(world)["number"]
    takes_new_number(world)
    stranger = writes(world, second)
    assert stranger["From"] == second
    assert stranger["ExternalUserId"] != phone(world)["user_id"]


@pytest.mark.parametrize("long", ["whatsapp:IN." + "a1" * 64, "whatsapp:US.A"])
def test_ids_have_up_to_128_letters_and_digits(world: World, long: str) -> None:
    assert writes(world, long)["ExternalUserId"] == long
    assert world.send(To=long, Body="News").status_code == 201
    assert world.write(person=long + "x" * 128).status_code == 400


# --- what reaches the phone ------------------------------------------------------------------------------------------


def test_messages_to_the_id_and_to_the_number_reach_one_chat(world: World) -> None:
    own = writes(world)["ExternalUserId"]
    for hides_number in (False, True):
        hides(world, hides_number=hides_number)
        assert [world.send(To=to, Body=f"To {to}").status_code for to in (ASHA, own)] == [201, 201]
    assert chat_of(world, ASHA) == ["Welcome", *[f"To {ASHA}", f"To {own}"] * 2]
    assert chat_of(world, own) == []


def test_replies_go_to_the_address_that_the_message_came_from(world: World) -> None:
    own = writes(world)["ExternalUserId"]
    hides(world)
    writes(world)
    assert sorted(listed(world, From=SENDER)) == [(SENDER, ASHA, "Welcome"), (SENDER, own, "Welcome")]
    assert chat_of(world, ASHA) == ["Welcome"] * 2


def test_a_number_that_was_passed_on_reaches_its_present_holder_alone(world: World) -> None:
    own = writes(world)["ExternalUserId"]
    other = passes_number_on(world)
    world.send(To=ASHA, Body="For the number")
    world.send(To=own, Body="For Asha")
    world.send(To=other["user_id"], Body="For the other")
    assert chat_of(world, other["person"]) == ["For the number", "For the other"]
    assert chat_of(world, ASHA) == ["Welcome", "For Asha"]


def test_a_late_reply_to_a_number_goes_to_whoever_has_it_by_then(world: World) -> None:
    others: list[Any] = []

    def answer(_request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        others.append(passes_number_on(world))
        return 200, {}, "<Response><Message>Thank you, Asha Devi</Message></Response>"

    world.bot.http.remove("POST", f"{BOT_URL}/webhook")
    world.bot.http.add_callback("POST", f"{BOT_URL}/webhook", answer, content_type="text/xml")
    world.write("Asha Devi")
    assert chat_of(world, others[0]["person"]) == ["Thank you, Asha Devi"]
    assert chat_of(world, ASHA) == []


def test_what_is_sent_to_an_address_that_was_given_up_arrives_nowhere(world: World) -> None:
    own = writes(world)["ExternalUserId"]
    takes_new_number(world)
    for address in (ASHA, own):
        world.send(To=address, Body="News", StatusCallback=f"{PUBLIC_URL}/status-callback")
        last = world.bot.forms[-1]
        assert (last["MessageStatus"], last["ErrorCode"], last["To"]) == ("undelivered", "63003", address)
    assert chat_of(world, ASHA) == ["Welcome"]


def test_the_sms_goes_to_the_phone_that_has_the_number(world: World) -> None:
    hides(world)
    world.ask_for_code()
    other = passes_number_on(world)
    world.ask_for_code("key-2")
    assert [event.person for event in world.log.after(0) if event.kind == "sms"] == [ASHA, other["person"]]


def test_status_callbacks_name_the_id(world: World) -> None:
    own = phone(world)["user_id"]
    world.send(To=own, Body="News", StatusCallback=f"{PUBLIC_URL}/status-callback")
    told = [form for form in world.bot.forms if "MessageStatus" in form]
    assert [form["MessageStatus"] for form in told] == ["queued", "sent", "delivered", "read"]
    assert {(form["To"], form["ChannelToAddress"]) for form in told} == {(own, own.removeprefix("whatsapp:"))}


def test_the_list_of_messages_keeps_the_addresses_apart(world: World) -> None:
    """Both ways: Twilio knows addresses, not people."""
    own = writes(world, text="shown")["ExternalUserId"]
    hides(world)
    writes(world, text="hidden")
    assert listed(world, From=ASHA) == [(ASHA, SENDER, "shown")]
    assert listed(world, From=own) == [(own, SENDER, "hidden")]
    assert listed(world, To=ASHA) == [(SENDER, ASHA, "Welcome")]
    assert listed(world, To=own) == [(SENDER, own, "Welcome")]


def test_messages_from_and_to_an_id_are_read_and_deleted(world: World) -> None:
    own = hides(world)["user_id"]
    writes(world)
    world.write("", type="audio")
    for message in body_of(world.twilio("GET", f"{MESSAGES}.json"))["messages"]:
        path = f"{MESSAGES}/{message['sid']}.json"
        assert own in (body_of(world.twilio("GET", path))["from"], message["to"])
        assert world.twilio("DELETE", path).status_code == 204
    assert listed(world) == []


def test_a_rule_holds_for_an_id(world: World) -> None:
    own = phone(world)["user_id"]
    world.rule({"on_send": {"code": 63012}, "times": 1}, own)
    assert [world.send(To=to, Body="News").status_code for to in (ASHA, own, own)] == [201, 400, 201]


def test_the_window_is_the_persons(world: World) -> None:
    own = writes(world)["ExternalUserId"]
    other = passes_number_on(world)
    world.break_down(window="enforced")
    for to in (own, other["user_id"], ASHA):
        world.send(To=to, Body=to)
    assert chat_of(world, ASHA) == ["Welcome", own]
    assert chat_of(world, other["person"]) == []


@pytest.mark.parametrize("content", ["text", "template"])
def test_twilio_can_refuse_ids_as_it_did(world: World, content: str) -> None:
    own = writes(world)["ExternalUserId"]
    sid = body_of(world.twilio("POST", "/v1/Content", json=FAIR))["sid"]
    form = {"Body": "News"} if content == "text" else {"ContentSid": sid}
    world.break_down(user_ids="refused")
    answer = world.send(To=own, **form)
    assert (answer.status_code, body_of(answer)["code"]) == (400, 21211)
    assert world.send(To=ASHA, **form).status_code == 201
    hides(world)
    writes(world)
    assert chat_of(world, ASHA)[-1] == "Welcome", "a reply to the webhook still arrives"
    world.break_down(user_ids="ok")
    assert world.send(To=own, **form).status_code == 201


# --- what those who look on learn ------------------------------------------------------------------------------------


def test_the_stream_tells_of_phones_when_they_first_write_and_when_they_change(world: World) -> None:
    own = writes(world)["ExternalUserId"]
    writes(world)
    hides(world)
    other = passes_number_on(world)
    told = [(event.person, event.fields) for event in world.log.after(0) if event.kind == "phone"]
    assert told == [
        (ASHA, {"number": ASHA, "user_id": own, "hides_number": False}),
        (ASHA, {"number": ASHA, "user_id": own, "hides_number": True}),
        (ASHA, {"number": None, "user_id": own, "hides_number": True}),
        (other["person"], {"number": ASHA, "user_id": other["user_id"], "hides_number": False}),
    ]


def test_the_conversation_of_a_hidden_number_is_one_transcript(world: World) -> None:
    world.write("Hi")
    hides(world)
    world.write("Asha Devi")
    turns = body_of(world.client.get("/sim/transcript", query_string={"person": ASHA}))["turns"]
    assert [turn["inbound"]["text"] for turn in turns] == ["Hi", "Asha Devi"]
    assert [person["person"] for person in body_of(world.client.get("/sim/people"))["people"]] == [ASHA]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("PUT", f"/sim/phones/{ASHA}", {}, 400, id="nothing to change"),
        pytest.param("PUT", f"/sim/phones/{ASHA}", {"hides_number": 1}, 400, id="no truth"),
        pytest.param("PUT", f"/sim/phones/{ASHA}", {"hides_number": True, "number": "x"}, 400, id="too much"),
        pytest.param("PUT", "/sim/phones/whatsapp:IN.1", {"hides_number": False}, 409, id="no number to show"),
        pytest.param("POST", "/sim/phones/whatsapp:IN.1/pass-on", {}, 409, id="no number to pass on"),
        pytest.param("GET", "/sim/phones/9876543210", None, 400, id="no address"),
    ],
)
def test_what_cannot_be_done_is_explained(world: World, method: str, path: str, body: Any, status: int) -> None:
    answer = world.client.open(path, method=method, **({} if body is None else {"json": body}))
    assert answer.status_code == status
    assert body_of(answer)["error"]


@pytest.mark.parametrize("path", ["new-number", "pass-on"])
def test_another_sites_page_changes_nothing(world: World, path: str) -> None:
    assert world.client.post(f"/sim/phones/{ASHA}/{path}", data={"a": "b"}).status_code == 415
    assert phone(world)["number"] == ASHA


# --- what an older simulator has left --------------------------------------------------------------------------------

EARLIER_RELEASE = """
CREATE TABLE people (person TEXT PRIMARY KEY, profile_name TEXT NOT NULL, last_message_at TEXT NOT NULL);
CREATE TABLE inbound_messages (
    sid TEXT PRIMARY KEY, person TEXT NOT NULL, idempotency_token TEXT NOT NULL, form TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT ''
);
CREATE TABLE outbound_messages (
    sid TEXT PRIMARY KEY, person TEXT NOT NULL, body TEXT NOT NULL, status TEXT NOT NULL, created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL, error_code INTEGER, is_reply INTEGER NOT NULL DEFAULT 0
);
INSERT INTO people VALUES ('whatsapp:+919876543210', 'Asha', '2026-11-22T09:00:00.000Z');
INSERT INTO inbound_messages VALUES (
    'SM1', 'whatsapp:+919876543210', 'token', '{"From": "whatsapp:+919876543210", "Body": "Hi"}',
    '2026-11-22T09:00:00.000Z'
);
INSERT INTO outbound_messages VALUES (
    'SM2', 'whatsapp:+919876543210', 'Welcome', 'read', '2026-11-22T09:00:01.000Z', '2026-11-22T09:00:01.000Z', NULL, 1
);
"""


def test_people_of_an_earlier_release_get_an_id_and_keep_their_messages(world: World, settings: Settings) -> None:
    settings = replace(settings, database=settings.database.with_name("earlier.sqlite3"))
    with closing(sqlite3.connect(settings.database)) as old:
        old.executescript(EARLIER_RELEASE)
    for _ in range(2):
        simulator = create_simulator(settings, clock=world.clock, sleep=world.pauses.append, run=lambda work: work())
        taken_over = World(simulator.app.test_client(), simulator.events, world.clock, world.bot)
        assert (ASHA, SENDER, "Hi") in listed(taken_over, From=ASHA)
        assert listed(taken_over, To=ASHA)[-1] == (SENDER, ASHA, "Welcome")
        taken_over.break_down(window="enforced")
        taken_over.send(To=ASHA, Body="News")
        assert chat_of(taken_over, ASHA)[-1] == "News"
        form = writes(taken_over)
        assert (form["From"], form["ProfileName"]) == (ASHA, "Asha")
        assert form["ExternalUserId"] == phone(taken_over)["user_id"]
        simulator.close()
