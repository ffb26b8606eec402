"""Text normalisation: white space, invisible characters, digits of any script, dashes, quotes and decoration."""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby
from string import ascii_lowercase

ZERO_WIDTH_NON_JOINER, ZERO_WIDTH_JOINER = "\u200c", "\u200d"
# With the sign that draws a keycap around a digit (7️⃣), so that the digit alone is left.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\u20e3\ufeff\ufe00-\ufe0f]")
_DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_APOSTROPHES = re.compile("[\u2018\u2019\u02bc\u0060\u00b4\uff07]")
_DIGITS_OF_OTHER_SCRIPTS = re.compile("[^\\D0-9]")
_BETWEEN_WORDS = re.compile("[^A-Za-z0-9]+")
# The one keycap that stands for two digits, in one character.
_KEYCAP_TEN = "\U0001f51f"
# Letters in black circles, black squares and flags, which NFKC leaves as they are, and look-alikes of Latin letters.
_DECORATED = str.maketrans(
    {
        chr(first + place): letter
        for first in (0x1F150, 0x1F170, 0x1F1E6)
        for place, letter in enumerate(ascii_lowercase)
    }
    | dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True))
    | dict(zip("АВЕЅІЈКМНОРСТХаеѕіјорсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abesijkmhopctxaesijopcyxabezhikmnoptyx", strict=True))
)


def single_line(text: str) -> str:
    """Trim ``text``, make every run of white space one space, and every dash and apostrophe the ASCII one (NFC)."""
    text = _APOSTROPHES.sub("'", _DASHES.sub("-", unicodedata.normalize("NFC", text)))
    return " ".join(text.split())


def normalize(text: str) -> str:
    """A single line in compatibility form (NFKC), with ASCII digits and without invisible characters."""
    if text.isascii():
        return single_line(text)
    text = text.replace(_KEYCAP_TEN, "10")
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return single_line(_DIGITS_OF_OTHER_SCRIPTS.sub(_ascii_digit, text))


def lowercase_words(text: str) -> str:
    """The words of ``text`` alone, in lower case with single spaces: ``"Hi!! 👋"`` becomes ``"hi"``."""
    if text.isascii():
        return " ".join(_BETWEEN_WORDS.sub(" ", text).lower().split())
    letters = (character if unicodedata.category(character)[0] in "LMN" else " " for character in normalize(text))
    return " ".join("".join(letters).casefold().split())


def strip_decoration(text: str) -> str:
    """Replace decorated letters by plain ones: in circles, squares and flags, with accents and strokes, look-alikes."""
    if text.isascii():
        return text
    bare, is_latin = [], False
    for character in unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text)).translate(_DECORATED):
        # The signs of Indian scripts are part of the word; on a Latin letter they are decoration.
        if unicodedata.category(character)[0] == "M" and is_latin:
            continue
        is_latin = character.isascii() and character.isalpha()
        bare.append(character)
    return unicodedata.normalize("NFC", "".join(bare))


def squeeze_letters(word: str) -> str:
    """Write every run of one letter once: ``"nooo"`` and ``"no"`` both become ``"no"``."""
    return "".join(letter for letter, _ in groupby(word))


def _ascii_digit(found: re.Match[str]) -> str:
    return str(unicodedata.decimal(found[0]))
