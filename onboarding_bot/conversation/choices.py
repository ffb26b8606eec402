"""Numbers as people write them: a line chosen from a list, and digits in words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onboarding_bot.conversation.phrases import Phrases
from onboarding_bot.conversation.text_normalization import plain, words
from onboarding_bot.languages.lexicon import spellings

LINES_MAX = 12
_NUMBERS = {spelling: str(number) for number in range(LINES_MAX + 1) for spelling in spellings("numbers", str(number))}
_LABEL, _FILLER, _NEVER = "label", "filler", "never"
_IN_A_CHOICE = Phrases(
    {
        _NEVER: spellings("choices", "not_a_number"),
        **{str(number): spellings("numbers", str(number)) for number in range(LINES_MAX + 1)},
        _LABEL: spellings("choices", "labels"),
        _FILLER: (
            *spellings("choices", "fillers"),
            *spellings("commands", "politeness"),
            *spellings("answers", "thanks"),
        ),
    }
)
NOTHING = Phrases({})
_LABELS = frozenset(words(spelling) for spelling in spellings("choices", "labels"))
_PRONOUNS = frozenset(words(spelling) for spelling in spellings("numbers", "pronouns"))
_TIMES = {
    **dict.fromkeys(spellings("numbers", "double"), 2),
    **dict.fromkeys(spellings("numbers", "triple"), 3),
}
_WITH_ENDING = re.compile(rf"([0-9]{{1,2}})(?:{'|'.join(spellings('numbers', 'endings'))})")
_WITH_LABEL = re.compile(r"([^\W\d_]+)([0-9]{1,2})")
# A sign before the number, a fraction, a date, or more digits than any list has lines.
_NO_CHOICE = re.compile(r"^[-+][0-9]|[0-9][.,/:⁄][0-9]|[0-9]{3}")
_SPELT_OUT_FROM = 4


@dataclass(frozen=True, slots=True)
class Choice:
    """The numbers in a message, whether they stand there in digits, and the words that are left around them."""

    numbers: frozenset[int]
    in_digits: bool
    rest: str


def read_choice(text: str) -> Choice | None:
    """The lines of a list that ``text`` may choose: "3", "no. 3", "3rd one", "3 - Technology"; None when it cannot."""
    line = plain("".join(map(_bare_digit, text)))
    if _NO_CHOICE.search(line):
        return None
    said = words(line).split()
    numbers: list[int] = []
    rest: list[str] = []
    in_digits, follows, place = False, False, 0
    while place < len(said):
        word, number = said[place], _in_digits(said[place])
        kind, length = _IN_A_CHOICE.at(said, place) or ("", 1)
        place += length
        if number is not None:
            numbers.append(number)
            in_digits = follows = True
        elif any(character.isdigit() for character in word) or kind == _NEVER:
            return None
        elif follows and word in _PRONOUNS:
            follows = False
        elif kind in _NUMBERS.values():
            numbers.append(int(kind))
            follows = True
        else:
            follows = False
            if not kind:
                rest.append(word)
    return Choice(frozenset(numbers), in_digits, " ".join(rest))


def chosen(text: str, named: Callable[[str], int | None], around: Phrases = NOTHING) -> int | None:
    """The one line that ``text`` chooses by its number, by what ``named`` makes of its words, or by both alike.

    Phrases of ``around`` may stand there too without changing anything.
    """
    choice = read_choice(text)
    if choice is None or len(choice.numbers) > 1:
        return None
    by_name = named(text)
    if not choice.numbers:
        return by_name
    number = next(iter(choice.numbers))
    if not around.without(choice.rest.split()):
        return number
    return number if named(choice.rest) == number else None


def digits_spelt_out(said: Sequence[str]) -> str | None:
    """The digits of "nine eight seven six …", also where some of them are doubled; None when a word is no digit."""
    digits, times = [], 1
    for word in said:
        if word in _TIMES:
            times = _TIMES[word]
            continue
        digit = word if word.isascii() and word.isdigit() else _NUMBERS.get(word)
        if digit is None or (times > 1 and len(digit) > 1):
            return None
        digits.append(digit * times)
        times = 1
    return "".join(digits) if len(digits) >= _SPELT_OUT_FROM and times == 1 else None


def _in_digits(word: str) -> int | None:
    if word.isascii() and word.isdigit():
        return int(word)
    if ending := _WITH_ENDING.fullmatch(word):
        return int(ending[1])
    label = _WITH_LABEL.fullmatch(word)
    return int(label[2]) if label and label[1] in _LABELS else None


def _bare_digit(character: str) -> str:
    """The digit in a black or double circle, which no compatibility form takes out of it."""
    digit = unicodedata.digit(character, None) if unicodedata.category(character) == "No" else None
    return character if digit is None or unicodedata.normalize("NFKC", character) != character else str(digit)
