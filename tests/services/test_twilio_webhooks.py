"""Twilio's webhooks: whose signature counts, and which message a form is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from onboarding_bot.conversation.turn import InboundMessage, MessageKind
from onboarding_bot.errors import BadFormError
from onboarding_bot.services.twilio_webhooks import SignatureVerifier, parse_inbound

Fields = Sequence[tuple[str, str]]

BASE = "https://bot.example.in"
TOKEN, PREVIOUS_TOKEN = "token-of-the-tests", "token-of-yesterday"
FIELDS: Fields = [
    ("MessageSid", "SM1"),
    ("From", "whatsapp:+919876543210"),
    ("Body", "नमस्ते & welcome"),
    ("NumMedia", "0"),
]


def signed(url: str, fields: Fields, token: str = TOKEN) -> str:
    signature = RequestValidator(token).compute_signature(url, MultiDict(fields))
    assert isinstance(signature, str)
    return signature


# --- signature -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "query", "fields"),
    [
        pytest.param("/webhook", "", FIELDS, id="plain"),
        pytest.param("/webhook/", "", FIELDS, id="trailing slash"),
        pytest.param("/webhook", "tenant=1&x=%20y", FIELDS, id="query"),
        pytest.param("/webhook", "a=1&a=2", FIELDS, id="query with a repeated name"),
        pytest.param("/webhook", "", [*FIELDS, ("Tag", "b"), ("Tag", "a")], id="repeated names"),
        pytest.param("/webhook", "", [*FIELDS, ("Tag", "a"), ("Tag", "a")], id="repeated names and values"),
        pytest.param("/webhook", "", [*FIELDS, ("ReferralBody", ""), ("Label", "")], id="empty values"),
        pytest.param("/webhook", "", [*FIELDS, ("ANewFieldOf2030", "x"), ("zz", "y")], id="unknown new fields"),
        pytest.param("/webhook", "", [*FIELDS, ("a", "1"), ("B", "2"), ("b", "3")], id="names in upper and lower case"),
        pytest.param("/webhook", "", [], id="no fields"),
        pytest.param("//webhook", "", FIELDS, id="doubled slash"),
        pytest.param("//webhook//", "a=1", FIELDS, id="doubled slashes and a query"),
        pytest.param("/web%68ook", "a=%7E~&b=+%20&&c", FIELDS, id="percent signs"),
        pytest.param("/webhook", "?", FIELDS, id="two question marks"),
    ],
)
def test_what_twilio_signed_is_genuine(path: str, query: str, fields: Fields) -> None:
    verifier = SignatureVerifier([TOKEN], BASE)
    url = f"{BASE}{path}" + (f"?{query}" if query else "")
    assert verifier.signed_url(url.removeprefix(BASE)) == url
    assert verifier.is_genuine(url, MultiDict(fields), signed(url, fields))


@pytest.mark.parametrize(
    "base", ["https://a.in", "https://a.in:443", "http://a.in:8080/bot", "https://[2001:db8::1]/x"]
)
@pytest.mark.parametrize(
    ("signed_for", "came_as"),
    [
        *(("/webhook?", "/webhook?"), ("//webhook?", "//webhook?"), ("//webhook", "//webhook")),
        pytest.param("/webhook?", "/webhook", id="a proxy dropped the question mark"),
        pytest.param("/webhook", "/webhook?", id="it was not signed"),
        pytest.param("//webhook", "/webhook", id="a proxy made one slash of two"),
        pytest.param("//webhook?", "/webhook", id="both"),
    ],
)
def test_the_same_address_may_be_spelt_otherwise(base: str, signed_for: str, came_as: str) -> None:
    verifier = SignatureVerifier([TOKEN], base)
    url = verifier.signed_url(came_as)
    assert verifier.is_genuine(url, MultiDict(FIELDS), signed(base + signed_for, FIELDS))
    assert not verifier.is_genuine(url, MultiDict(FIELDS), signed(f"{base}{signed_for}x", FIELDS))


@pytest.mark.parametrize(
    ("base", "signed_as"),
    [
        ("https://a.in/bot", "https://a.in:443/bot"),
        ("https://a.in:443", "https://a.in"),
        ("http://a.in", "http://a.in:80"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]"),
    ],
)
def test_a_port_may_be_signed_or_not(base: str, signed_as: str) -> None:
    verifier = SignatureVerifier([TOKEN], base)
    url = verifier.signed_url("/webhook?a=1")
    assert verifier.is_genuine(url, MultiDict(FIELDS), signed(f"{signed_as}/webhook?a=1", FIELDS))


@pytest.mark.parametrize("token", [TOKEN, PREVIOUS_TOKEN])
def test_two_tokens_count_while_they_are_rotated(token: str) -> None:
    verifier = SignatureVerifier([TOKEN, PREVIOUS_TOKEN], BASE)
    url = f"{BASE}/webhook"
    assert verifier.is_genuine(url, MultiDict(FIELDS), signed(url, FIELDS, token))
    assert not verifier.is_genuine(url, MultiDict(FIELDS), signed(url, FIELDS, "token-of-somebody-else"))


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        pytest.param(f"{BASE}/webhook/", FIELDS, id="another path"),
        pytest.param(f"{BASE}/webhook?x=1", FIELDS, id="another query"),
        pytest.param("http://bot.example.in/webhook", FIELDS, id="another scheme"),
        pytest.param("https://evil.example/webhook", FIELDS, id="another host"),
        pytest.param(f"{BASE}/webhook", [*FIELDS, ("Body", "more")], id="a value more"),
        pytest.param(f"{BASE}/webhook", [*FIELDS, ("New", "")], id="an empty field more"),
        pytest.param(f"{BASE}/webhook", FIELDS[:-1], id="a field less"),
        pytest.param(f"{BASE}/webhook", [*FIELDS[:2], ("Body", "YES"), FIELDS[3]], id="another value"),
    ],
)
def test_what_was_changed_on_the_way_is_not(url: str, fields: Fields) -> None:
    signature = signed(f"{BASE}/webhook", FIELDS)
    assert not SignatureVerifier([TOKEN], BASE).is_genuine(url, MultiDict(fields), signature)


@pytest.mark.parametrize("signature", ["", "nonsense", "é", "\x00", "A" * 10_000, "=" * 28])
def test_what_is_no_signature_is_not(signature: str) -> None:
    assert not SignatureVerifier([TOKEN], BASE).is_genuine(f"{BASE}/webhook", MultiDict(FIELDS), signature)


# --- which message it is -------------------------------------------------------------------------------------------


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
