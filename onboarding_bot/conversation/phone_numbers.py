"""Parses Indian mobile numbers in every way of writing them, for the chat, for admins and for addresses alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from onboarding_bot.conversation.text_normalization import normalize

MOBILE_DIGITS = 10

_BETWEEN = re.compile(r"[\s\-.()\[\]]")
# RFC 3966: a number may be a URI, and a local number names its country in a parameter.
_SCHEME = re.compile(r"(?:tel|whatsapp):(?://)?", re.IGNORECASE)
_IN_INDIA = re.compile(r";phone-context=\+91$", re.IGNORECASE)
_MOBILE = re.compile(r"(?:(?:(?:\+|00|0)?91)?0?)([6-9][0-9]{9})")
_COUNTRY_CODE = re.compile(r"(?:\+|00)91|091(?=[0-9]{9,})")
_ABROAD = re.compile(r"(?:\+|00)[1-9]")


class NotAMobile(StrEnum):
    """Why a text is no Indian mobile number."""

    CHARACTERS = "characters"
    FOREIGN = "foreign"
    COUNT = "count"
    START = "start"


@dataclass(eq=False)
class NotAMobileError(ValueError):
    """A text that is no Indian mobile number; ``digits`` is how many digits stand behind the country code."""

    reason: NotAMobile
    digits: int = 0


def parse_indian_mobile(text: str) -> str:
    """``+91XXXXXXXXXX`` from ten digits that start with 6 to 9 (India's National Numbering Plan).

    They may follow +91, 91, 091 or 0091, a trunk 0 or (0), ``tel:`` or ``whatsapp:``, in the digits of any script, with
    spaces, dashes, dots and brackets anywhere between them.

    Raises NotAMobileError.
    """
    number = _bare(text)
    if mobile := _MOBILE.fullmatch(number):
        return f"+91{mobile[1]}"
    if not (number.isascii() and number.removeprefix("+").isdigit()):
        raise NotAMobileError(NotAMobile.CHARACTERS)
    country_code = _COUNTRY_CODE.match(number)
    if country_code is None and _ABROAD.match(number):
        raise NotAMobileError(NotAMobile.FOREIGN)
    national = number.removeprefix("+")
    if country_code:
        # A trunk 0 behind the country code is none of the ten digits.
        national = number[country_code.end() :].removeprefix("0")
    if len(national) != MOBILE_DIGITS:
        raise NotAMobileError(NotAMobile.COUNT, len(national))
    raise NotAMobileError(NotAMobile.START, len(national))


def without_separators(text: str) -> str:
    """A number as one run of characters, in ASCII digits."""
    return _BETWEEN.sub("", normalize(text))


def _bare(text: str) -> str:
    line = normalize(text)
    if scheme := _SCHEME.match(line):
        line = line[scheme.end() :]
    return _BETWEEN.sub("", _IN_INDIA.sub("", line))
