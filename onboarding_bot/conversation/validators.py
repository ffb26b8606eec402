"""The rules for each answer: text in, clean value out, or InvalidInput with a code and never with words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from onboarding_bot.conversation.choices import read_choice
from onboarding_bot.conversation.found_numbers import PINCODE_DIGITS, phones_in, pincodes_in, without_pincode_words
from onboarding_bot.conversation.names import Verdict, read_name
from onboarding_bot.conversation.phone_numbers import NotAMobile, NotAMobileError, parse_indian_mobile
from onboarding_bot.conversation.reply import Value
from onboarding_bot.conversation.sectors import SECTORS, Sector, find_sector, find_sector_among_words
from onboarding_bot.conversation.text_normalization import ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER, one_line, plain
from onboarding_bot.whatsapp_address import CHANNEL

NAME_LETTERS_MIN, NAME_LETTERS_MAX = 2, 80
# A letter of an Indian script may carry several signs; more than this is a prank that breaks the screen.
NAME_CHARACTERS_MAX = 240
SHOWN_BACK_MAX = 40

# Letters, signs and fillers that show nothing (Unicode's Default_Ignorable_Code_Point), and the blank of Braille.
_SHOWS_NOTHING = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_SEPARATORS = re.compile(r"[ \-.()]")


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
    """One of the twelve, by its number, by its name, or by a line of the list that has both.

    Raises InvalidInput: sector.number, sector.unknown, sector.disagrees.
    """
    shown = {"typed": shown_back(text)}
    choice = read_choice(text)
    if choice is None or len(choice.numbers) > 1:
        raise InvalidInput("sector.unknown", shown)
    number = next(iter(choice.numbers), None)
    if number is None:
        sector = find_sector_among_words(text)
    elif not choice.rest:
        sector = _sector_number(number, shown)
    elif by_name := find_sector(choice.rest):
        by_number = _sector_number(number, shown)
        if by_name is not by_number and choice.in_digits:
            values: Mapping[str, Value] = {"number": number, "by_number": by_number.text, "by_name": by_name.text}
            raise InvalidInput("sector.disagrees", values)
        sector = by_name if by_name is by_number else None
    else:
        # "Two wheelers" is a name that happens to hold a number.
        sector = None if choice.in_digits else find_sector(text)
    if sector is None:
        raise InvalidInput("sector.unknown", shown)
    return sector.value


def _sector_number(number: int, shown: Mapping[str, Value]) -> Sector:
    if not 1 <= number <= len(SECTORS):
        raise InvalidInput("sector.number", shown)
    return SECTORS[number - 1]


def validate_pincode(text: str) -> str:
    """Six digits, the first not 0, however spaced (India Post: the first digit is the zone, 1 to 9).

    A place may stand around them: "PIN 560001", "560001 Bengaluru".

    Raises InvalidInput: pincode.characters, pincode.count, pincode.zero, pincode.several.
    """
    shown = {"typed": shown_back(text)}
    digits = _SEPARATORS.sub("", plain(text))
    if not _is_number(digits):
        match pincodes_in(text):
            case [pincode]:
                return pincode
            case [_, _, *_]:
                raise InvalidInput("pincode.several", shown)
        digits = _SEPARATORS.sub("", without_pincode_words(text))
    if not _is_number(digits):
        raise InvalidInput("pincode.characters", shown)
    if len(digits) != PINCODE_DIGITS:
        raise InvalidInput("pincode.count", shown | {"count": len(digits)})
    if digits.startswith("0"):
        raise InvalidInput("pincode.zero", shown)
    return digits


def validate_phone(text: str) -> str:
    """An Indian mobile number as +91XXXXXXXXXX, alone or among words that only say what it is: "Mob. 98765 43210".

    Raises InvalidInput: phone.characters, phone.foreign, phone.count, phone.start, phone.several.
    """
    shown = {"typed": shown_back(text)}
    phones = phones_in(text)
    try:
        # Written alone it may hold anything that parts digits; among words it is what looks like one number.
        return parse_indian_mobile(phones[0] if len(phones) == 1 else text)
    except NotAMobileError as fault:
        if len(phones) > 1:
            return _the_same(phones, shown)
        raise _no_mobile(fault, shown) from None


def _no_mobile(fault: NotAMobileError, shown: Mapping[str, Value]) -> InvalidInput:
    match fault.reason:
        case NotAMobile.COUNT:
            return InvalidInput("phone.count", {**shown, "count": fault.digits})
        case NotAMobile.FOREIGN:
            return InvalidInput("phone.foreign", shown)
        case NotAMobile.START:
            return InvalidInput("phone.start", shown)
        case NotAMobile.CHARACTERS:
            return InvalidInput("phone.characters", shown)


def _the_same(phones: tuple[str, ...], shown: Mapping[str, Value]) -> str:
    try:
        found = {parse_indian_mobile(phone) for phone in phones}
    except NotAMobileError:
        found = set()
    if len(found) != 1:
        raise InvalidInput("phone.several", shown)
    return found.pop()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def indian_mobile(sender: str) -> str | None:
    """The mobile number behind a WhatsApp address, or None when it is foreign, a landline or no number at all.

    An address is Twilio's, letter for letter: nothing is read into it.
    """
    number = sender.removeprefix(CHANNEL)
    return number if re.fullmatch(r"\+91[6-9][0-9]{9}", number) else None


def _is_ignorable(character: str) -> bool:
    """Format characters come along with pasted text; only the two joiners belong to a spelling."""
    is_format = unicodedata.category(character) == "Cf"
    return is_format and character not in {ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER}


def _belongs_in_a_name(character: str) -> bool:
    allowed = {" ", ".", "'", "-", ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER}
    return unicodedata.category(character)[0] in "LM" or character in allowed
