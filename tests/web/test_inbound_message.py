"""Which message the form of a webhook is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from onboarding_bot.conversation.turn import InboundMessage, MessageKind
from onboarding_bot.errors import BadFormError
from onboarding_bot.web.webhooks.inbound_message import parse_inbound


def text(said: str) -> tuple[MessageKind, str]:
    return MessageKind.TEXT, said


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"Body": "Hi"}, text("Hi"), id="text"),
        pytest.param({"Body": "  Hi \n"}, text("  Hi \n"), id="text as it was typed"),
        pytest.param({"Body": "Hi", "MessageType": "text"}, text("Hi"), id="text by its type"),
        pytest.param({"Body": "Yes", "ButtonPayload": "YES", "ButtonText": "Yes"}, text("YES"), id="button's payload"),
        pytest.param({"Body": "Yes", "ButtonPayload": ""}, text("Yes"), id="button without a payload"),
        pytest.param({"Body": "Retail", "ListId": "7", "ListTitle": "Retail"}, text("7"), id="list"),
        pytest.param({"Body": "c", "ListId": "b", "ButtonPayload": "a"}, text("a"), id="payload before list"),
        pytest.param({"Body": "Yes", "MessageType": "interactive"}, text("Yes"), id="interactive"),
        pytest.param({"Body": "👍", "MessageType": "reaction"}, text("👍"), id="a type that nobody has heard of"),
        pytest.param({"Body": ""}, (MessageKind.UNKNOWN, ""), id="nothing"),
        pytest.param({}, (MessageKind.UNKNOWN, ""), id="no body"),
        pytest.param({"Body": " \u00a0\n"}, (MessageKind.UNKNOWN, ""), id="white space"),
        pytest.param({"MessageType": "audio", "NumMedia": "1"}, (MessageKind.VOICE, ""), id="voice note"),
        pytest.param({"MessageType": "AUDIO", "NumMedia": "1"}, (MessageKind.VOICE, ""), id="type in capitals"),
        pytest.param({"MessageType": "image", "NumMedia": "1"}, (MessageKind.IMAGE, ""), id="image"),
        pytest.param({"MessageType": "image", "NumMedia": "1", "Body": "560001"}, text("560001"), id="caption"),
        pytest.param(
            {"MessageType": "image", "NumMedia": "1", "Body": " "}, (MessageKind.IMAGE, ""), id="empty caption"
        ),
        pytest.param({"MessageType": "video", "NumMedia": "1", "Body": "Asha"}, text("Asha"), id="caption of a video"),
        pytest.param(
            {"MessageType": "document", "NumMedia": "1", "Body": "bill.pdf"}, (MessageKind.DOCUMENT, ""), id="document"
        ),
        pytest.param({"MessageType": "sticker", "NumMedia": "1"}, (MessageKind.STICKER, ""), id="sticker"),
        pytest.param(
            {"MessageType": "location", "Latitude": "12.9", "Body": "Home"}, (MessageKind.LOCATION, ""), id="location"
        ),
        pytest.param({"Latitude": "0.0", "Longitude": "0.0"}, (MessageKind.LOCATION, ""), id="location without type"),
        pytest.param({"MessageType": "contacts", "NumMedia": "1"}, (MessageKind.CONTACT_CARD, ""), id="contact card"),
        *(
            pytest.param({"NumMedia": "1", "MediaContentType0": content_type}, (kind, ""), id=f"{content_type} alone")
            for content_type, kind in [
                ("audio/ogg; codecs=opus", MessageKind.VOICE),
                ("image/jpeg", MessageKind.IMAGE),
                ("IMAGE/PNG", MessageKind.IMAGE),
                ("video/mp4", MessageKind.VIDEO),
                ("application/pdf", MessageKind.DOCUMENT),
                ("image/webp", MessageKind.STICKER),
                ("text/vcard", MessageKind.CONTACT_CARD),
                ("text/x-vcard", MessageKind.CONTACT_CARD),
                ("", MessageKind.DOCUMENT),
                ("nonsense", MessageKind.DOCUMENT),
            ]
        ),
        pytest.param({"NumMedia": "", "Body": "Hi"}, text("Hi"), id="empty NumMedia"),
        pytest.param(
            {"Body": "Hi", "ReferralHeadline": "Ad", "ProfileName": "A", "Forwarded": "true", "FlowData": "{}"},
            text("Hi"),
            id="fields that say nothing here",
        ),
    ],
)
def test_which_message_a_form_is(fields: dict[str, str], expected: tuple[MessageKind, str]) -> None:
    form = MultiDict({"MessageSid": "SM1", "From": "whatsapp:IN.1234", **fields})
    message = parse_inbound(form)
    assert (message.kind, message.text) == expected
    assert (message.sid, message.sender) == ("SM1", "whatsapp:IN.1234")


@pytest.mark.parametrize(
    "sender", ["whatsapp:+919876543210", "whatsapp:+14155238886", "whatsapp:IN.1234567890", "whatsapp:+1", "anything"]
)
def test_replies_go_to_from_and_ids_come_along(sender: str) -> None:
    form = MultiDict({"MessageSid": "x" * 100, "From": sender, "Body": "Hi", "WaId": "1", "ExternalUserId": "IN.9"})
    assert parse_inbound(form) == InboundMessage("x" * 100, sender, "Hi", user_ids=("whatsapp:IN.9",))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"From": "whatsapp:+919876543210"}, id="no MessageSid"),
        pytest.param({"MessageSid": "SM1"}, id="no From"),
        pytest.param({"MessageSid": "", "From": "whatsapp:+919876543210"}, id="empty MessageSid"),
        pytest.param({"MessageSid": "SM1", "From": ""}, id="empty From"),
        pytest.param({"SmsSid": "SM1", "From": "whatsapp:+919876543210"}, id="only the old name"),
    ],
)
def test_a_form_that_is_no_message(fields: dict[str, str]) -> None:
    with pytest.raises(BadFormError):
        parse_inbound(MultiDict(fields))


names = st.sampled_from(
    [
        "Body",
        "NumMedia",
        "MessageType",
        "MediaContentType0",
        "Latitude",
        "ButtonPayload",
        "ListId",
        "From",
        "MessageSid",
    ]
)


@given(fields=st.lists(st.tuples(names, st.text(max_size=20)), max_size=8))
@settings(deadline=None, max_examples=150)
def test_any_form_is_a_message_or_no_message(fields: list[tuple[str, str]]) -> None:
    try:
        message = parse_inbound(MultiDict(fields))
    except BadFormError:
        return
    assert message.sid
    assert message.sender
    assert bool(message.text.strip()) == (message.kind is MessageKind.TEXT)
