"""The bot's TwiML is what Twilio's SDK writes, to the byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.messaging_response import MessagingResponse

from onboarding_bot.web.webhooks.twiml import twiml


def as_the_sdk_writes_it(text: str) -> bytes:
    response = MessagingResponse()
    if text:
        response.message(text)
    return str(response).encode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing to say"),
        pytest.param("*Asha*: a < b & c > d", id="what XML reserves"),
        pytest.param("&lt;already&gt; \"quoted\" 'twice' ]]>", id="what looks escaped"),
        pytest.param("one\ntwo\r\nthree\tfour", id="white space"),
        pytest.param("नमस्ते 🙏 வணக்கம்", id="Indian scripts"),
        pytest.param("\ud83d", id="half of a pair"),
    ],
)
def test_a_reply_is_written_as_the_sdk_does(text: str) -> None:
    assert twiml(text) == as_the_sdk_writes_it(text)


@given(st.text(st.characters() | st.sampled_from("<>&\"'\r\n\t]"), max_size=200))
def test_any_reply_is_written_as_the_sdk_does(text: str) -> None:
    assert twiml(text) == as_the_sdk_writes_it(text)
