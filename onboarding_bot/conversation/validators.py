"""The rules for each answer: text in, clean value out, or InvalidInput with a code and never with words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from onboarding_bot.conversation.names import Verdict, read_name
from onboarding_bot.conversation.reply import Value
from onboarding_bot.conversation.sectors import SECTORS, find_sector
from onboarding_bot.conversation.typed import ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER, one_line, plain

NAME_LETTERS_MIN, NAME_LETTERS_MAX = 2, 80
# A letter of an Indian script may carry several signs; more than this is a prank that breaks the screen.
NAME_CHARACTERS_MAX = 240
PINCODE_DIGITS = 6
MOBILE_DIGITS = 10
SHOWN_BACK_MAX = 40

# Letters, signs and fillers that show nothing (Unicode's Default_Ignorable_Code_Point), and the blank of Braille.
_SHOWS_NOTHING = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_SECTOR_NUMBER = re.compile(r"#? ?([0-9]{1,2}) ?[.)]?")
_SEPARATORS = re.compile(r"[ \-.()]")
_MOBILE = re.compile(r"(?:(?:\+91|0091|91)?0?)([6-9][0-9]{9})")
_INDIAN_PREFIX = re.compile(r"(?:\+|00)91")


@dataclass(eq=False)
class InvalidInput(ValueError):  # noqa: N818 - the name that the flow and its documents use
    """An answer that cannot be taken: ``code`` is the text that says why, ``values`` what it shows."""

    code: str
    values: Mapping[str, Value] = field(default_factory=dict)


def shown_back(text: str) -> str:
    """What the person typed, short enough to be quoted in a reply."""
    line = one_line(text)
    return line if len(line) <= SHOWN_BACK_MAX else f"{line[: SHOWN_BACK_MAX - 1]}…"


def validate_name(text: str) -> str:
    """A full name: 2 to 80 letters of any script with their signs, spaces, ``.``, ``'`` and ``-``.

    "My name is" around it is left out. One that is doubtful passes here: whoever takes the answer asks about it.

    Raises InvalidInput: name.characters, name.short, name.word, name.long.
    """
    shown = _SHOWS_NOTHING.sub("", text)
    reading = read_name("".join(character for character in shown if not _is_ignorable(character)))
    name = reading.name
    letters = sum(unicodedata.category(character).startswith("L") for character in name)
    if not all(_belongs_in_a_name(character) for character in name):
        raise InvalidInput("name.characters", {"typed": shown_back(text)})
    if letters < NAME_LETTERS_MIN:
        raise InvalidInput("name.short", {"typed": shown_back(text)})
    if reading.verdict is Verdict.NONE:
        raise InvalidInput("name.word", {"typed": shown_back(text)})
    if letters > NAME_LETTERS_MAX or len(name) > NAME_CHARACTERS_MAX:
        raise InvalidInput("name.long")
    return name


def validate_sector(text: str) -> str:
    """One of the twelve, by its number or its name.

    Raises InvalidInput: sector.number, sector.unknown.
    """
    line = plain(text)
    if number := _SECTOR_NUMBER.fullmatch(line):
        index = int(number[1])
        if not 1 <= index <= len(SECTORS):
            raise InvalidInput("sector.number", {"typed": shown_back(text)})
        return SECTORS[index - 1].value
    sector = None if any(character.isdigit() for character in line) else find_sector(line)
    if sector is None:
        raise InvalidInput("sector.unknown", {"typed": shown_back(text)})
    return sector.value


def validate_pincode(text: str) -> str:
    """Six digits, the first not 0, however spaced (India Post: the first digit is the zone, 1 to 9).

    Raises InvalidInput: pincode.characters, pincode.count, pincode.zero.
    """
    digits = _SEPARATORS.sub("", plain(text))
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidInput("pincode.characters", {"typed": shown_back(text)})
    if len(digits) != PINCODE_DIGITS:
        raise InvalidInput("pincode.count", {"typed": shown_back(text), "count": len(digits)})
    if digits.startswith("0"):
        raise InvalidInput("pincode.zero", {"typed": shown_back(text)})
    return digits


def validate_phone(text: str) -> str:
    """An Indian mobile number as +91XXXXXXXXXX: ten digits, the first 6 to 9 (India's National Numbering Plan).

    Raises InvalidInput: phone.characters, phone.foreign, phone.count, phone.start.
    """
    number = _SEPARATORS.sub("", plain(text))
    if mobile := _MOBILE.fullmatch(number):
        return f"+91{mobile[1]}"
    shown = {"typed": shown_back(text)}
    if not (number.isascii() and number.removeprefix("+").isdigit()):
        raise InvalidInput("phone.characters", shown)
    national, prefixes = _INDIAN_PREFIX.subn("", number, count=1)
    if number.startswith(("+", "00")) and not prefixes:
        raise InvalidInput("phone.foreign", shown)
    if len(national) != MOBILE_DIGITS:
        raise InvalidInput("phone.count", shown | {"count": len(national)})
    raise InvalidInput("phone.start", shown)


def indian_mobile(sender: str) -> str | None:
    """The mobile number behind a WhatsApp address, or None when it is foreign, a landline or no number at all."""
    number = sender.removeprefix("whatsapp:")
    return number if re.fullmatch(r"\+91[6-9][0-9]{9}", number) else None


def _is_ignorable(character: str) -> bool:
    """Format characters come along with pasted text; only the two joiners belong to a spelling."""
    is_format = unicodedata.category(character) == "Cf"
    return is_format and character not in {ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER}


def _belongs_in_a_name(character: str) -> bool:
    allowed = {" ", ".", "'", "-", ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER}
    return unicodedata.category(character)[0] in "LM" or character in allowed
