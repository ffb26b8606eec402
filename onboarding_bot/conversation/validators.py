"""Validates the answers of the sign-up: each validator takes a text and returns the value to store, or raises."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from onboarding_bot.conversation.choices import read_choice
from onboarding_bot.conversation.names import Verdict, read_name
from onboarding_bot.conversation.number_extraction import PINCODE_DIGITS, phones_in, pincodes_in, strip_pincode_words
from onboarding_bot.conversation.phone_numbers import NotAMobile, NotAMobileError, parse_indian_mobile
from onboarding_bot.conversation.reply import Value
from onboarding_bot.conversation.sectors import SECTORS, Sector, find_sector, find_sector_among_words
from onboarding_bot.conversation.text_normalization import (
    ZERO_WIDTH_JOINER,
    ZERO_WIDTH_NON_JOINER,
    normalize,
    single_line,
)
from onboarding_bot.whatsapp_address import CHANNEL

NAME_LETTERS_MIN, NAME_LETTERS_MAX = 2, 80
# A letter of an Indian script may carry several signs; more characters than this break the screen.
NAME_CHARACTERS_MAX = 240
QUOTED_MAX = 40

# Characters that show nothing (Unicode's Default_Ignorable_Code_Point), and the blank of Braille.
_BLANK_CHARACTERS = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_SEPARATORS = re.compile(r"[ \-.()]")


@dataclass(eq=False)
class InvalidInput(ValueError):  # noqa: N818 - the name that the flow and its documents use
    """A refused answer: ``code`` is the text of the catalogues that says why, ``values`` fills its placeholders."""

    code: str
    values: Mapping[str, Value] = field(default_factory=dict)


def quoted(text: str) -> str:
    """The text of a message, cut to QUOTED_MAX characters, for a quote in a reply."""
    line = single_line(text)
    return line if len(line) <= QUOTED_MAX else f"{line[: QUOTED_MAX - 1]}…"


def validate_name(text: str) -> str:
    """A full name: 2 to 80 letters of any script with their signs, spaces, ``.``, ``'`` and ``-``.

    "My name is" around it is left out. A doubtful name passes here: ``answer_rules`` asks the person about it.

    Raises InvalidInput: name.characters, name.short, name.word, name.long.
    """
    visible = _BLANK_CHARACTERS.sub("", text)
    reading = read_name("".join(character for character in visible if not _is_ignorable(character)))
    name = reading.name
    letters = sum(unicodedata.category(character).startswith("L") for character in name)
    if not all(_belongs_in_a_name(character) for character in name):
        raise InvalidInput("name.characters", {"typed": quoted(text)})
    if letters < NAME_LETTERS_MIN:
        raise InvalidInput("name.short", {"typed": quoted(text)})
    if reading.verdict is Verdict.NONE:
        raise InvalidInput("name.word", {"typed": quoted(text)})
    if letters > NAME_LETTERS_MAX or len(name) > NAME_CHARACTERS_MAX:
        raise InvalidInput("name.long")
    return name


def validate_sector(text: str) -> str:
    """One of the twelve sectors, by its number, by its name, or by a line of the list that has both.

    Raises InvalidInput: sector.number, sector.unknown, sector.disagrees.
    """
    quote = {"typed": quoted(text)}
    choice = read_choice(text)
    if choice is None or len(choice.numbers) > 1:
        raise InvalidInput("sector.unknown", quote)
    number = next(iter(choice.numbers), None)
    if number is None:
        sector = find_sector_among_words(text)
    elif not choice.other_words:
        sector = _sector_number(number, quote)
    elif by_name := find_sector(choice.other_words):
        by_number = _sector_number(number, quote)
        if by_name is not by_number and choice.in_digits:
            values: Mapping[str, Value] = {"number": number, "by_number": by_number.text, "by_name": by_name.text}
            raise InvalidInput("sector.disagrees", values)
        sector = by_name if by_name is by_number else None
    else:
        # "Two wheelers" is a name that happens to hold a number.
        sector = None if choice.in_digits else find_sector(text)
    if sector is None:
        raise InvalidInput("sector.unknown", quote)
    return sector.value


def _sector_number(number: int, quote: Mapping[str, Value]) -> Sector:
    if not 1 <= number <= len(SECTORS):
        raise InvalidInput("sector.number", quote)
    return SECTORS[number - 1]


def validate_pincode(text: str) -> str:
    """Six digits, the first not 0, however spaced (India Post: the first digit is the zone, 1 to 9).

    The name of a place may stand around them: "PIN 560001", "560001 Bengaluru".

    Raises InvalidInput: pincode.characters, pincode.count, pincode.zero, pincode.several.
    """
    quote = {"typed": quoted(text)}
    digits = _SEPARATORS.sub("", normalize(text))
    if not _is_number(digits):
        match pincodes_in(text):
            case [pincode]:
                return pincode
            case [_, _, *_]:
                raise InvalidInput("pincode.several", quote)
        digits = _SEPARATORS.sub("", strip_pincode_words(text))
    if not _is_number(digits):
        raise InvalidInput("pincode.characters", quote)
    if len(digits) != PINCODE_DIGITS:
        raise InvalidInput("pincode.count", quote | {"count": len(digits)})
    if digits.startswith("0"):
        raise InvalidInput("pincode.zero", quote)
    return digits


def validate_phone(text: str) -> str:
    """An Indian mobile number as +91XXXXXXXXXX, alone or with words that only name it: "Mob. 98765 43210".

    Raises InvalidInput: phone.characters, phone.foreign, phone.count, phone.start, phone.several.
    """
    quote = {"typed": quoted(text)}
    phones = phones_in(text)
    try:
        # Alone, the number may have any separators; among words, it is the one run of digits that looks like a number.
        return parse_indian_mobile(phones[0] if len(phones) == 1 else text)
    except NotAMobileError as fault:
        if len(phones) > 1:
            return _same_number(phones, quote)
        raise _no_mobile(fault, quote) from None


def _no_mobile(fault: NotAMobileError, quote: Mapping[str, Value]) -> InvalidInput:
    match fault.reason:
        case NotAMobile.COUNT:
            return InvalidInput("phone.count", {**quote, "count": fault.digits})
        case NotAMobile.FOREIGN:
            return InvalidInput("phone.foreign", quote)
        case NotAMobile.START:
            return InvalidInput("phone.start", quote)
        case NotAMobile.CHARACTERS:
            return InvalidInput("phone.characters", quote)


def _same_number(phones: tuple[str, ...], quote: Mapping[str, Value]) -> str:
    try:
        found = {parse_indian_mobile(phone) for phone in phones}
    except NotAMobileError:
        found = set()
    if len(found) != 1:
        raise InvalidInput("phone.several", quote)
    return found.pop()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def indian_mobile(sender: str) -> str | None:
    """The mobile number behind a WhatsApp address, or None when it is foreign, a landline or no number at all.

    The address is taken letter for letter, as Twilio sends it.
    """
    number = sender.removeprefix(CHANNEL)
    return number if re.fullmatch(r"\+91[6-9][0-9]{9}", number) else None


def _is_ignorable(character: str) -> bool:
    """Whether the character came along with pasted text: a format character that is neither of the two joiners."""
    is_format = unicodedata.category(character) == "Cf"
    return is_format and character not in {ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER}


def _belongs_in_a_name(character: str) -> bool:
    allowed = {" ", ".", "'", "-", ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER}
    return unicodedata.category(character)[0] in "LM" or character in allowed
