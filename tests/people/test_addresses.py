"""What admins type as an address, and what it stands for."""

from __future__ import annotations

import pytest

from onboarding_bot.people.addresses import InvalidAddressError, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        pytest.param("whatsapp:+919876543210", "whatsapp:+919876543210", id="as Twilio has it"),
        pytest.param("+919876543210", "whatsapp:+919876543210", id="a number with its country"),
        pytest.param(" +91 98765-43210 ", "whatsapp:+919876543210", id="as people write it"),
        pytest.param("+1 (415) 523-8886", "whatsapp:+14155238886", id="of another country"),
        pytest.param("9876543210", "whatsapp:+919876543210", id="an Indian mobile number"),
        pytest.param("098765 43210", "whatsapp:+919876543210", id="with a trunk zero"),
        pytest.param("91 98765 43210", "whatsapp:+919876543210", id="without the plus"),
        pytest.param("whatsapp:IN.1234567890", "whatsapp:IN.1234567890", id="somebody who hides the number"),
        pytest.param("IN.1234567890", "whatsapp:IN.1234567890", id="the same without the channel"),
    ],
)
def test_what_is_an_address(text: str, address: str) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "whatsapp:", "Asha", "+0123456789", "12345", "+91", "whatsapp:x", "5876543210"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidAddressError):
        parse_address(text)
