"""Whether a text is plausibly a person's name, by the words in the lexicons and the list of known names.

A name is never refused for being unknown: the bot asks about one that it does not recognise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from onboarding_bot.conversation.intents import READ_CHARACTERS, MessageText, lexicon_words, vocabulary
from onboarding_bot.conversation.text_normalization import single_line
from onboarding_bot.languages.lexicon import common_words, known_names, spellings

# Only a word of so many letters can be known by its beginning or its end.
_AFFIX_MIN_LETTERS = 6
# Small words such as "is" and "hai" hold sentences together: an unknown word of a name has at least so many letters.
_UNKNOWN_MIN_LETTERS = 4
# A surname may be a word of English too ("Sanjay Ramdas Ware"): it needs so many known names beside it.
_KNOWN_NAMES_BESIDE_A_WORD = 2
# From so many words on, a Latin text must be recognised, and the bot asks about one in another script.
_LATIN_MUST_BE_KNOWN, _DOUBTFUL_FROM_WORDS = 3, 5
_LONGEST_NAME = 7
_PUNCTUATION = " .,!:;-*\"'()"


class Verdict(StrEnum):
    """What a text is as an answer to the name question: a name, a text to ask about, or no name."""

    NAME = "name"
    DOUBTFUL = "doubtful"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Reading:
    """The verdict on a text, and the name in it, without "my name is" around it."""

    verdict: Verdict
    name: str


@dataclass(frozen=True, slots=True)
class _Introduction:
    """A pattern such as "my name is {name}": its own words, and a regular expression for a whole message."""

    words: frozenset[str]
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, spelling: str) -> _Introduction:
        """The pattern of a lexicon's spelling, with any punctuation between its words."""
        before, _, after = (re.escape(part.strip()).replace(r"\ ", r"[ ,.]+") for part in spelling.partition("{name}"))
        gap = r"[\s:,.\-]*" if before.endswith((":", r"\-")) else r"[\s:,.\-]+"
        start = f"{before}{gap}" if before else ""
        end = f"[ ,.]+{after}" if after else ""
        words = frozenset(lexicon_words(spelling.replace("{name}", " ")))
        return cls(words, re.compile(rf"{start}(?P<name>\S.*?){end}[ .,!]*", re.IGNORECASE))


def _introductions(table: str) -> tuple[_Introduction, ...]:
    # The longest first: "the name is {name}" before "name is {name}".
    return tuple(_Introduction.of(one) for one in sorted(spellings("names", table), key=len, reverse=True))


_POLITE = "|".join(map(re.escape, (*spellings("commands", "hello"), *spellings("commands", "politeness"))))
_GREETING = re.compile(rf"(?:(?:{_POLITE})[ ,.!]+){{0,3}}", re.IGNORECASE)
_STRONG, _WEAK = _introductions("patterns"), _introductions("weak_patterns")
_PARTS_OF_NAMES = known_names() | vocabulary("names", "particles")
_KNOWN = _PARTS_OF_NAMES | vocabulary("names", "titles")
# A title is a part of the name behind it; alone it is no name.
_TITLES = _KNOWN - _PARTS_OF_NAMES
# A form of address is a part of the name before it; behind any other word it is a courtesy.
_VOCATIVES = vocabulary("names", "vocatives")
_ENDINGS = spellings("names", "endings")
_BEGINNINGS = spellings("names", "beginnings")
_WORDS_OF_SENTENCES = vocabulary("names", "never")
_NEVER = _WORDS_OF_SENTENCES - _KNOWN
_COMMON = vocabulary("names", "common") - _KNOWN
_LISTED = common_words() - _KNOWN - _COMMON


def read_name(text: str) -> Reading:
    """How ``text`` reads as the answer to "What is your name?"."""
    line = single_line(text)
    if len(line) > READ_CHARACTERS:
        return Reading(Verdict.DOUBTFUL, line)
    message = MessageText.of(line)
    if introduced := _introduced(message, _STRONG):
        return Reading(_verdict(introduced, lexicon_words(introduced), is_introduced=True), introduced)
    introduced = _introduced(message, _WEAK)
    if introduced and _is_recognised(lexicon_words(introduced)):
        return Reading(_verdict(introduced, lexicon_words(introduced)), introduced)
    if message.refusal() or message.is_question or message.is_small_talk or message.is_auto_reply:
        return Reading(Verdict.NONE, line)
    if introduced:
        return Reading(Verdict.DOUBTFUL, introduced)
    return Reading(_verdict(line, message.words), line)


def _introduced(message: MessageText, introductions: Iterable[_Introduction]) -> str | None:
    """The name that the message introduces, up to the first word that belongs to no name."""
    words = frozenset(message.words)
    greeting = _GREETING.match(message.text)
    text = message.text[greeting.end() :] if greeting else message.text
    for introduction in introductions:
        if not introduction.words <= words or len(words) == len(introduction.words):
            continue
        if found := introduction.pattern.fullmatch(text):
            kept: list[str] = []
            for word in found["name"].split():
                if any(part in _NEVER for part in lexicon_words(word)):
                    break
                kept.append(word)
                if word.endswith((",", ";", "!")):
                    break
            name = " ".join(kept).strip(_PUNCTUATION) if kept else ""
            if name and not _all_common(lexicon_words(name)):
                return name + ("." if kept[-1].endswith(".") and len(kept[-1]) == len("K.") else "")
    return None


def _verdict(line: str, words: tuple[str, ...], *, is_introduced: bool = False) -> Verdict:
    if not words:
        return Verdict.NONE
    if all(word in _TITLES for word in words):
        return Verdict.DOUBTFUL
    never = [word for word in words if word in _NEVER]
    common = [word for word in words if word in _COMMON]
    listed = [word for word in words if word in _LISTED]
    if len(words) == 1:
        return Verdict.NONE if never or common else Verdict.DOUBTFUL if listed else Verdict.NAME
    if never or len(words) > _LONGEST_NAME:
        return Verdict.DOUBTFUL
    if is_introduced:
        return Verdict.DOUBTFUL if common else Verdict.NAME
    if not any(word.isascii() for word in words):
        return Verdict.DOUBTFUL if common or len(words) >= _DOUBTFUL_FROM_WORDS else Verdict.NAME
    if len(words) < _LATIN_MUST_BE_KNOWN:
        rest = [word for word in words if word not in _COMMON and word not in _LISTED]
        is_mixed = len(rest) < len(words)
        if all(len(word) == 1 for word in words) or (is_mixed and not all(map(_is_known, rest))) or not rest:
            return Verdict.DOUBTFUL
        return Verdict.NAME
    if common or len(listed) > 1 or (listed and sum(map(_is_known, words)) < _KNOWN_NAMES_BESIDE_A_WORD):
        return Verdict.DOUBTFUL
    return Verdict.NAME if _is_recognised(words, _is_capitalised(line)) else Verdict.DOUBTFUL


def _is_capitalised(line: str) -> bool:
    """Whether each word begins with a capital, and not all letters are capitals."""
    return not line.isupper() and all(word[0].isupper() for word in line.split())


def _is_recognised(words: tuple[str, ...], is_capitalised: bool = False) -> bool:
    """Whether at least half of the words are known from names, or a single one where the others look like names.

    An initial stands for one unknown word. A word that sentences have as well stands for none.
    """
    full = [word for word in words if len(word) > 1]
    initials = len(words) - len(full)
    known = sum(_is_known(word) and word not in _WORDS_OF_SENTENCES for word in full)
    if not full or (not known and words[0] in {"i", "u", "y"}):
        return False
    unknown = [word for word in full if not _is_known(word)]
    others_look_like_names = is_capitalised or all(len(word) >= _UNKNOWN_MIN_LETTERS for word in unknown)
    has_known_name = any(
        _is_known(word) and word not in _VOCATIVES and word not in _WORDS_OF_SENTENCES for word in full
    )
    return (has_known_name and others_look_like_names) or 2 * (known + min(initials, 1)) >= len(full)


def _is_known(word: str) -> bool:
    if word in _KNOWN:
        return True
    return len(word) >= _AFFIX_MIN_LETTERS and (word.endswith(_ENDINGS) or word.startswith(_BEGINNINGS))


def _all_common(words: tuple[str, ...]) -> bool:
    return all(word in _COMMON or word in _NEVER or len(word) == 1 for word in words)
