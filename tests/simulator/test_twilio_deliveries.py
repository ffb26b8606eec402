"""What Twilio does with a message of the owner until the bot has answered it."""

from __future__ import annotations

import pytest
import requests
from twilio.request_validator import RequestValidator

from simulator.signature import sign
from tests.simulator.simulated_world import ASHA, BOT_URL, OLD_TOKEN, PUBLIC_URL, TOKEN, World, body_of


def signed_by(token: str, world: World, number: int = 0) -> bool:
    request, form = world.bot.requests[number], world.bot.forms[number]
    signature = request.headers.get("X-Twilio-Signature", "")
    return bool(RequestValidator(token).validate(PUBLIC_URL + request.path_url, form, signature))


def test_a_message_arrives_signed_for_the_public_address(world: World) -> None:
    world.bot.replies("Welcome")
    world.write("नमस्ते & hello", profile_name="Asha")
    assert signed_by(TOKEN, world)
    assert not signed_by(OLD_TOKEN, world)
    form = world.bot.forms[0]
    assert form["MessageSid"] == form["SmsSid"] == form["SmsMessageSid"]
    assert {name: form[name] for name in ("From", "Body", "NumMedia", "WaId", "ProfileName", "MessageType")} == {
        "From": ASHA,
        "Body": "नमस्ते & hello",
        "NumMedia": "0",
        "WaId": "919876543210",
        "ProfileName": "Asha",
        "MessageType": "text",
    }


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"Body": ""},
        {"b": "2", "B": "1", "Body": "नमस्ते 🙏 + &="},
        {"MediaUrl0": "https://x/y?z=1", "MediaContentType0": "a/b", "MediaUrl10": "2"},
    ],
)
def test_the_signature_is_twilios(form: dict[str, str]) -> None:
    url = "https://bot.example:8443/webhook/?a=1&b=%20"
    assert sign(url, form, TOKEN) == RequestValidator(TOKEN).compute_signature(url, form)


def test_the_reply_shows_up_in_the_chat(world: World) -> None:
    world.bot.replies("Welcome & <hello>", "And more")
    sid = body_of(world.write())["message_sid"]
    assert [reply["text"] for reply in world.happened("reply")] == ["Welcome & <hello>", "And more"]
    assert {reply["in_reply_to"] for reply in world.happened("reply")} == {sid}
    own = [event["status"] for event in world.happened("status") if event["message_sid"] == sid]
    assert own == ["sent", "delivered", "read"]
    assert [event["on"] for event in world.happened("typing")] == [True, False]


def test_somebody_without_a_phone_number_shows_none(world: World) -> None:
    world.bot.replies("Welcome")
    world.write(person="whatsapp:IN.1234")
    form = world.bot.forms[0]
    assert form["From"] == "whatsapp:IN.1234"
    assert form["ExternalUserId"] == "whatsapp:IN.1234"
    assert "WaId" not in form


@pytest.mark.parametrize(
    ("type_", "fields"),
    [
        ("audio", {"NumMedia": "1", "MediaContentType0": "audio/ogg"}),
        ("image", {"NumMedia": "1", "MediaContentType0": "image/jpeg", "Body": "My shop"}),
        ("sticker", {"NumMedia": "1", "MediaContentType0": "image/webp"}),
        ("contacts", {"NumMedia": "1", "MediaContentType0": "text/vcard"}),
        ("location", {"NumMedia": "0", "Latitude": "18.9477", "Label": "My shop", "Body": ""}),
    ],
)
def test_other_kinds_of_messages_have_twilios_fields(world: World, type_: str, fields: dict[str, str]) -> None:
    world.bot.replies("I can read text only")
    world.write("My shop", type=type_)
    form = world.bot.forms[0]
    assert form["MessageType"] == type_
    assert form.items() >= fields.items()
    assert ("MediaUrl0" in form) == (form["NumMedia"] == "1")


@pytest.mark.parametrize(
    ("failure", "status"),
    [(requests.ConnectionError(), 200), (requests.ReadTimeout(), 200), ("", 503), ("", 500)],
)
def test_a_failure_is_repeated_with_the_same_sid_and_token(world: World, failure: str | Exception, status: int) -> None:
    world.bot.answers(failure, status=status)
    world.bot.replies("Welcome")
    world.write()
    assert world.bot.paths == ["/webhook", "/webhook"]
    assert world.bot.forms[0] == world.bot.forms[1]
    assert len({request.headers["I-Twilio-Idempotency-Token"] for request in world.bot.requests}) == 1
    assert [reply["text"] for reply in world.happened("reply")] == ["Welcome"]
    assert [attempt["attempt"] for attempt in world.happened("webhook")] == [1, 2]


def test_after_two_repeats_the_fallback_url_is_asked(world: World) -> None:
    world.bot.answers(status=502)
    world.bot.replies("Please send your last message again", path="/webhook/fallback")
    world.write()
    assert world.bot.paths == ["/webhook"] * 3 + ["/webhook/fallback"]
    assert world.bot.forms[3].items() >= {"ErrorCode": "11200", "ErrorUrl": f"{PUBLIC_URL}/webhook"}.items()
    assert signed_by(TOKEN, world, 3)
    assert [reply["text"] for reply in world.happened("reply")] == ["Please send your last message again"]


def test_a_bot_that_is_gone_leaves_a_failed_message(world: World) -> None:
    world.bot.answers(requests.ConnectionError())
    world.bot.answers(requests.ConnectionError(), path="/webhook/fallback")
    world.write()
    assert world.bot.forms[3]["ErrorCode"] == "11205"
    assert world.happened("webhook")[-1]["note"] == "no connection to the bot"
    assert world.happened("webhook")[-1]["status"] is None
    assert world.happened("status")[-1]["status"] == "failed"
    assert world.happened("typing")[-1] == {"on": False}


def test_a_refusal_is_not_repeated(world: World) -> None:
    world.bot.answers(status=400)
    world.bot.replies("Sorry", path="/webhook/fallback")
    world.write()
    assert world.bot.paths == ["/webhook", "/webhook/fallback"]
    assert world.happened("webhook")[0]["note"] == "the bot refused the message (400)"


@pytest.mark.parametrize("signature", ["wrong", "missing"])
def test_somebody_who_is_not_twilio_gets_one_attempt(world: World, signature: str) -> None:
    world.bot.answers(status=403)
    world.write(signature=signature)
    assert world.bot.paths == ["/webhook"]
    assert not signed_by(TOKEN, world)
    assert ("X-Twilio-Signature" in world.bot.requests[0].headers) == (signature == "wrong")
    assert world.happened("webhook")[0]["note"] == "the bot refused the signature"


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        ("<Response><Message>Hi</Response>", "text/xml", "12100"),
        ("<Answer/>", "text/xml", "12100"),
        ("<Response><Redirect/></Response>", "text/xml", "12200"),
        ("<Response/>", "text/plain", "12300"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><Response><Message>&a;</Message></Response>', "text/xml", "12100"),
    ],
)
def test_what_is_not_twiml_goes_to_the_fallback_url(world: World, body: str, content_type: str, code: str) -> None:
    world.bot.answers(body, content_type=content_type)
    world.bot.replies("Sorry", path="/webhook/fallback")
    world.write()
    assert world.bot.forms[1]["ErrorCode"] == code
    assert [reply["text"] for reply in world.happened("reply")] == ["Sorry"]


def test_an_empty_response_is_silence(world: World) -> None:
    world.bot.replies()
    world.write()
    assert world.happened("reply") == []
    assert world.happened("webhook")[0]["note"] == "answered with 0 messages"


def test_a_reply_that_is_too_long_is_dropped_with_a_note(world: World) -> None:
    world.bot.replies("x" * 1601)
    world.write()
    assert world.happened("reply") == []
    assert "21617" in world.happened("webhook")[0]["note"]


def test_copies_are_one_message_delivered_several_times(world: World) -> None:
    world.bot.replies("Welcome")
    world.write(copies=3, gap_ms=500, delay_ms=1000)
    assert len({form["MessageSid"] for form in world.bot.forms}) == 1
    assert len(world.bot.requests) == 3
    assert len(world.happened("inbound")) == 1
    assert [pause for pause in world.pauses if pause >= 1] == [1.0, 1.5, 2.0]


def test_typing_ends_with_the_last_message_in_hand(world: World) -> None:
    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        if len(world.happened("inbound")) == 1:
            world.write("and another thing")
        return 200, {}, "<Response/>"

    world.bot.http.add_callback("POST", f"{BOT_URL}/webhook", answer, content_type="text/xml")
    world.write("one thing")
    assert [event["on"] for event in world.happened("typing")] == [True, False]
    assert len(world.happened("webhook")) == 2


def test_an_old_message_can_be_delivered_again(world: World) -> None:
    world.bot.replies("Welcome")
    sid = body_of(world.write())["message_sid"]
    again = world.client.post("/sim/messages", json={"message_sid": sid})
    assert again.json == {"message_sid": sid}
    assert world.bot.forms[0] == world.bot.forms[1]
    assert len(world.happened("inbound")) == 1


def test_twilio_can_deliver_everything_twice(world: World) -> None:
    world.bot.replies("Welcome")
    world.break_down(redeliver="twice")
    world.write()
    assert world.bot.forms[0] == world.bot.forms[1]


def test_a_lost_answer_is_asked_for_again(world: World) -> None:
    world.bot.replies("Welcome")
    world.break_down(redeliver="lost_answer")
    world.write()
    assert world.bot.forms[0] == world.bot.forms[1]
    assert len(world.happened("reply")) == 1
