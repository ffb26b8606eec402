"""Parses what an admin types into the address under which Twilio knows a person."""

from __future__ import annotations

import re

from onboarding_bot.conversation.phone_numbers import (
    NotAMobile,
    NotAMobileError,
    parse_indian_mobile,
    without_separators,
)
from onboarding_bot.errors import BotError
from onboarding_bot.whatsapp_address import CHANNEL, read_user_id

# E.164, as Twilio writes it. An Indian landline may be on WhatsApp too; typed alone, ten digits mean a mobile number.
_TWILIO_ADDRESS = re.compile(r"whatsapp:\+(?:91[0-9]{10}|(?!91)[1-9][0-9]{6,14})")
_ABROAD = re.compile(r"\+(?!91)[1-9][0-9]{6,14}")
_TYPED_CHANNEL = re.compile(r"whatsapp:", re.IGNORECASE)


class InvalidAddressError(BotError):
    """The text is no WhatsApp address; ``reason`` says why, in words for the admin who typed it."""

    code = "people.invalid_address"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse_address(text: str) -> str:
    """``whatsapp:+919876543210`` from that, from +91 98765 43210, or from an Indian mobile number alone.

    Raises InvalidAddressError.
    """
    given = text.strip()
    if _TWILIO_ADDRESS.fullmatch(given):
        return given
    typed = _TYPED_CHANNEL.sub("", given, count=1).strip() if _TYPED_CHANNEL.match(given) else given
    if user_id := read_user_id(typed):
        return user_id
    number = without_separators(typed)
    if _ABROAD.fullmatch(number):
        return CHANNEL + number
    try:
        return CHANNEL + parse_indian_mobile(typed)
    except NotAMobileError as fault:
        raise InvalidAddressError(_reason(fault)) from None


def _reason(fault: NotAMobileError) -> str:
    match fault.reason:
        case NotAMobile.COUNT:
            return f"has {fault.digits} digits without the country's code; a mobile number of India has 10"
        case NotAMobile.START:
            return "is no mobile number of India: those start with 6, 7, 8 or 9 (a landline is whatsapp:+91… in full)"
        case NotAMobile.FOREIGN:
            return "must be written with + and 7 to 15 digits, country first, for a number outside India"
        case NotAMobile.CHARACTERS:
            return "must be a WhatsApp address or a phone number with its country, like +919876543210"
