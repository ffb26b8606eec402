"""What admins type as an address, and what it stands for; of an Indian number it is what the chat reads too."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding_bot.conversation.phone_numbers import NotAMobileError, parse_indian_mobile
from onboarding_bot.people.address_parser import InvalidAddressError, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        pytest.param("whatsapp:+919876543210", "whatsapp:+919876543210", id="as Twilio has it"),
        pytest.param("+919876543210", "whatsapp:+919876543210", id="a number with its country"),
        pytest.param(" +91 98765-43210 ", "whatsapp:+919876543210", id="as people write it"),
        pytest.param("+91 (0) 98765-43210", "whatsapp:+919876543210", id="the trunk zero in brackets"),
        pytest.param("+91 098765 43210", "whatsapp:+919876543210", id="the trunk zero behind the country"),
        pytest.param("whatsapp: +91 (0) 98765 43210", "whatsapp:+919876543210", id="both, behind the channel"),
        pytest.param("WhatsApp:+919876543210", "whatsapp:+919876543210", id="the channel in other letters"),
        pytest.param("0091 98765 43210", "whatsapp:+919876543210", id="0091"),
        pytest.param("091-9876543210", "whatsapp:+919876543210", id="091"),
        pytest.param("tel:+91-98765-43210", "whatsapp:+919876543210", id="a URI"),
        pytest.param("९८७६५ ४३२१०", "whatsapp:+919876543210", id="in Devanagari"),
        pytest.param("98765\u00a043210", "whatsapp:+919876543210", id="a no-break space"),
        pytest.param("+1 (415) 523-8886", "whatsapp:+14155238886", id="of another country"),
        pytest.param("+977 981-2345678", "whatsapp:+9779812345678", id="of a neighbour"),
        pytest.param("whatsapp:+14155238886", "whatsapp:+14155238886", id="of another country as Twilio has it"),
        pytest.param("whatsapp:+912222223333", "whatsapp:+912222223333", id="a landline as Twilio has it"),
        pytest.param("9876543210", "whatsapp:+919876543210", id="an Indian mobile number"),
        pytest.param("098765 43210", "whatsapp:+919876543210", id="with a trunk zero"),
        pytest.param("91 98765 43210", "whatsapp:+919876543210", id="without the plus"),
        pytest.param("whatsapp:IN.1234567890", "whatsapp:IN.1234567890", id="a person who hides the number"),
        pytest.param("IN.1234567890", "whatsapp:IN.1234567890", id="the same without the channel"),
        pytest.param("IN.ENT.a1B2", "whatsapp:IN.ENT.a1B2", id="in a group of businesses"),
        pytest.param(f"IN.{'a' * 128}", f"whatsapp:IN.{'a' * 128}", id="the longest id"),
    ],
)
def test_what_is_an_address(text: str, address: str) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "must be", id="nothing"),
        pytest.param("whatsapp:", "must be", id="the channel alone"),
        pytest.param("Asha", "must be", id="a name"),
        pytest.param("whatsapp:x", "must be", id="a letter"),
        pytest.param("+91", "has 0 digits", id="a country alone"),
        pytest.param("+91 98765 4321", "has 9 digits", id="nine digits behind +91"),
        pytest.param("+91 98765 432101", "has 11 digits", id="eleven digits behind +91"),
        pytest.param("whatsapp:+91987654321", "has 9 digits", id="nine digits as Twilio would have them"),
        pytest.param("whatsapp:+9198765432101", "has 11 digits", id="eleven digits as Twilio would have them"),
        pytest.param("+91 (0) 98765 4321", "has 9 digits", id="nine digits behind the trunk zero"),
        pytest.param("12345", "has 5 digits", id="five digits"),
        pytest.param("5876543210", "start with 6, 7, 8 or 9", id="no mobile number"),
        pytest.param("+91 22 2222 3333", "start with 6, 7, 8 or 9", id="a landline as people write it"),
        pytest.param("001 415 523 8886", "must be written with +", id="abroad without a plus"),
        pytest.param("+0123456789", "start with", id="a country that begins with 0"),
        pytest.param("+91 98765 43210 / 98765 43211", "must be", id="two numbers"),
        pytest.param("Mob. 98765 43210", "must be", id="words around"),
        pytest.param("in.1234", "must be", id="an id in small letters"),
        pytest.param("IN.a_b", "must be", id="an id with a sign"),
        pytest.param(f"IN.{'a' * 129}", "must be", id="an id that is too long"),
    ],
)
def test_what_is_none_and_why(text: str, reason: str) -> None:
    with pytest.raises(InvalidAddressError) as caught:
        parse_address(text)
    assert reason in caught.value.reason


@given(text=st.from_regex(r"(\+91|0091|091|91|0|\(0\)|tel:)?[ -]?[0-9 ().-]{8,14}", fullmatch=True))
@settings(deadline=None, max_examples=200)
def test_an_indian_number_is_the_same_for_admins_and_in_the_chat(text: str) -> None:
    try:
        expected: str | None = f"whatsapp:{parse_indian_mobile(text)}"
    except NotAMobileError:
        expected = None
    try:
        found: str | None = parse_address(text)
    except InvalidAddressError:
        found = None
    assert found == expected
