"""From what an admin types to the address that Twilio knows a person by."""

from __future__ import annotations

import re

from onboarding_bot.conversation.validators import InvalidInput, validate_phone
from onboarding_bot.errors import BotError

CHANNEL = "whatsapp:"
# A number with its country, or what WhatsApp gives for somebody who hides it.
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,64}")
_BETWEEN = re.compile(r"[\s().-]")


class InvalidAddressError(BotError):
    """What was given is no address of anybody."""

    code = "people.invalid_address"


def parse_address(text: str) -> str:
    """``whatsapp:+919876543210`` from that, from +91 98765 43210, or from an Indian mobile number alone.

    Raises InvalidAddressError.
    """
    given = text.strip().removeprefix(CHANNEL).strip()
    if _USER_ID.fullmatch(given):
        return CHANNEL + given
    number = _BETWEEN.sub("", given)
    if _NUMBER.fullmatch(number):
        return CHANNEL + number
    try:
        return CHANNEL + validate_phone(number)
    except InvalidInput:
        raise InvalidAddressError("neither a WhatsApp address nor a phone number") from None
