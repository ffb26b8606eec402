"""Typed text made plain: invisible characters, digits of every script, dashes and quotes of every phone."""

from __future__ import annotations

import re
import unicodedata
from string import ascii_lowercase

ZERO_WIDTH_NON_JOINER, ZERO_WIDTH_JOINER = "\u200c", "\u200d"
# The sign that draws a keycap around a digit (7️⃣) goes with them: the digit is what was meant.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\u20e3\ufeff\ufe00-\ufe0f]")
_DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_APOSTROPHES = re.compile("[\u2018\u2019\u02bc\u0060\u00b4\uff07]")
_DIGITS_OF_OTHER_SCRIPTS = re.compile("[^\\D0-9]")
_NO_WORD = re.compile("[^A-Za-z0-9]+")
# The one keycap that is a number of two digits, in one character.
_KEYCAP_TEN = "\U0001f51f"
# Letters in black circles, black squares and flags, which no compatibility form takes apart, and what looks like them.
_DRESSED_UP = str.maketrans(
    {
        chr(first + place): letter
        for first in (0x1F150, 0x1F170, 0x1F1E6)
        for place, letter in enumerate(ascii_lowercase)
    }
    | dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True))
    | dict(zip("АВЕЅІЈКМНОРСТХаеѕіјорсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abesijkmhopctxaesijopcyxabezhikmnoptyx", strict=True))
)


def one_line(text: str) -> str:
    """Trim, and make every run of white space one space; dashes and apostrophes become the plain ones."""
    text = _APOSTROPHES.sub("'", _DASHES.sub("-", unicodedata.normalize("NFC", text)))
    return " ".join(text.split())


def plain(text: str) -> str:
    """One line in compatibility form, with ASCII digits and without anything invisible."""
    if text.isascii():
        return one_line(text)
    text = text.replace(_KEYCAP_TEN, "10")
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return one_line(_DIGITS_OF_OTHER_SCRIPTS.sub(_ascii_digit, text))


def words(text: str) -> str:
    """The words alone, in lower case with single spaces: ``"Hi!! 👋"`` becomes ``"hi"``."""
    if text.isascii():
        return " ".join(_NO_WORD.sub(" ", text).lower().split())
    letters = (character if unicodedata.category(character)[0] in "LMN" else " " for character in plain(text))
    return " ".join("".join(letters).casefold().split())


def undressed(text: str) -> str:
    """The letters behind decoration: in circles, squares and flags, under accents and strokes, or look-alikes."""
    if text.isascii():
        return text
    bare, is_latin = [], False
    for character in unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text)).translate(_DRESSED_UP):
        # The signs of Indian scripts are part of the word; on a Latin letter they are decoration.
        if unicodedata.category(character)[0] == "M" and is_latin:
            continue
        is_latin = character.isascii() and character.isalpha()
        bare.append(character)
    return unicodedata.normalize("NFC", "".join(bare))


def _ascii_digit(found: re.Match[str]) -> str:
    return str(unicodedata.decimal(found[0]))
