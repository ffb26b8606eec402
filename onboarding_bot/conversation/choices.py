"""Reads a choice from a numbered list, in digits or in words, and digits that are spelt out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onboarding_bot.conversation.phrases import Phrases
from onboarding_bot.conversation.text_normalization import lowercase_words, normalize
from onboarding_bot.languages.lexicon import spellings

# No list of the bot has more lines.
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
NO_PHRASES = Phrases({})
_LABELS = frozenset(lowercase_words(spelling) for spelling in spellings("choices", "labels"))
_PRONOUNS = frozenset(lowercase_words(spelling) for spelling in spellings("numbers", "pronouns"))
_TIMES = {
    **dict.fromkeys(spellings("numbers", "double"), 2),
    **dict.fromkeys(spellings("numbers", "triple"), 3),
}
_WITH_ENDING = re.compile(rf"([0-9]{{1,2}})(?:{'|'.join(spellings('numbers', 'endings'))})")
_WITH_LABEL = re.compile(r"([^\W\d_]+)([0-9]{1,2})")
# A sign before the number, a fraction, a date, or more digits than any list has lines.
_NOT_A_CHOICE = re.compile(r"^[-+][0-9]|[0-9][.,/:⁄][0-9]|[0-9]{3}")
_SPELT_OUT_FROM = 4


@dataclass(frozen=True, slots=True)
class Choice:
    """The numbers in a message, whether they are in digits, and the other words, but for labels and fillers."""

    numbers: frozenset[int]
    in_digits: bool
    other_words: str


def read_choice(text: str) -> Choice | None:
    """The lines of a list that ``text`` may choose: "3", "no. 3", "3rd one", "3 - Technology"; None when it cannot."""
    line = normalize("".join(map(_bare_digit, text)))
    if _NOT_A_CHOICE.search(line):
        return None
    words = lowercase_words(line).split()
    numbers: list[int] = []
    other_words: list[str] = []
    in_digits, is_behind_number, index = False, False, 0
    while index < len(words):
        word, number = words[index], _in_digits(words[index])
        kind, length = _IN_A_CHOICE.match_at(words, index) or ("", 1)
        index += length
        if number is not None:
            numbers.append(number)
            in_digits = is_behind_number = True
        elif any(character.isdigit() for character in word) or kind == _NEVER:
            return None
        elif is_behind_number and word in _PRONOUNS:
            is_behind_number = False
        elif kind in _NUMBERS.values():
            numbers.append(int(kind))
            is_behind_number = True
        else:
            is_behind_number = False
            if not kind:
                other_words.append(word)
    return Choice(frozenset(numbers), in_digits, " ".join(other_words))


def chosen_line(text: str, line_named: Callable[[str], int | None], fillers: Phrases = NO_PHRASES) -> int | None:
    """The one line that ``text`` chooses by its number, by its words (``line_named``), or by both alike.

    Phrases of ``fillers`` beside a number change nothing.
    """
    choice = read_choice(text)
    if choice is None or len(choice.numbers) > 1:
        return None
    if not choice.numbers:
        return line_named(text)
    number = next(iter(choice.numbers))
    if not fillers.words_outside(choice.other_words.split()):
        return number
    return number if line_named(choice.other_words) == number else None


def spelt_out_digits(words: Sequence[str]) -> str | None:
    """The digits of "nine eight seven six …", also with "double" and "triple"; None when a word is no digit."""
    digits, times = [], 1
    for word in words:
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
    """The digit in a black or double circle, which NFKC leaves as it is."""
    digit = unicodedata.digit(character, None) if unicodedata.category(character) == "No" else None
    return character if digit is None or unicodedata.normalize("NFKC", character) != character else str(digit)
