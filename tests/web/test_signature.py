"""Twilio's signature: whose counts, on which spelling of a URL, and with which fields."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from onboarding_bot.web.webhooks.signature import SignatureVerifier

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


characters = st.characters(codec="utf-8") | st.sampled_from("ab=&?+ ")
names = st.text(characters, max_size=4)


@given(fields=st.lists(st.tuples(names, names), max_size=6), query=st.text("ab=&%20", max_size=6))
def test_whatever_the_sdk_signs_is_genuine_and_nothing_else(fields: Fields, query: str) -> None:
    verifier, url = SignatureVerifier([PREVIOUS_TOKEN, TOKEN], BASE), f"{BASE}/webhook?{query}"
    assert verifier.is_genuine(url, MultiDict(fields), signed(url, fields))
    assert not verifier.is_genuine(url, MultiDict(fields), signed(url, fields, "token-of-somebody-else"))


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
