"""Whether a text is plausibly somebody's name, by the words in the lexicons and the list of known names.

A name is never refused for being unknown: one that cannot be recognised is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from onboarding_bot.conversation.intents import READ_CHARACTERS, Remark, said, vocabulary
from onboarding_bot.conversation.text_normalization import one_line
from onboarding_bot.languages.lexicon import common_words, known_names, spellings

# An unknown word of fewer letters tells nothing by how it begins or ends.
_SHORTEST_TELLING = 6
_SHORTEST_UNKNOWN = 4
# A surname may be a word of English too ("Sanjay Ramdas Ware"): so many known names have to stand beside it.
_VOUCHERS_FOR_A_WORD = 2
# From so many words on a Latin text must be recognised; in other scripts a longer one is asked about.
_LATIN_MUST_BE_KNOWN, _MANY_WORDS = 3, 5
_LONGEST_NAME = 7
_EDGES = " .,!:;-*\"'()"


class Verdict(StrEnum):
    """What a text is at the name question: a name, something to ask about, or certainly none."""

    NAME = "name"
    DOUBTFUL = "doubtful"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Reading:
    """The verdict, and the name in the text: without "my name is" around it."""

    verdict: Verdict
    name: str


@dataclass(frozen=True, slots=True)
class _Introduction:
    """A pattern such as "my name is {name}": its own words, and how it is read in a whole message."""

    words: frozenset[str]
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, spelling: str) -> _Introduction:
        """The spelling with any punctuation between its words."""
        before, _, after = (re.escape(part.strip()).replace(r"\ ", r"[ ,.]+") for part in spelling.partition("{name}"))
        gap = r"[\s:,.\-]*" if before.endswith((":", r"\-")) else r"[\s:,.\-]+"
        start = f"{before}{gap}" if before else ""
        end = f"[ ,.]+{after}" if after else ""
        words = frozenset(said(spelling.replace("{name}", " ")))
        return cls(words, re.compile(rf"{start}(?P<name>\S.*?){end}[ .,!]*", re.IGNORECASE))


def _introductions(table: str) -> tuple[_Introduction, ...]:
    # The longest first: "the name is {name}" before "name is {name}".
    return tuple(_Introduction.of(one) for one in sorted(spellings("names", table), key=len, reverse=True))


_POLITE = "|".join(map(re.escape, (*spellings("commands", "hello"), *spellings("commands", "politeness"))))
_GREETING = re.compile(rf"(?:(?:{_POLITE})[ ,.!]+){{0,3}}", re.IGNORECASE)
_STRONG, _WEAK = _introductions("patterns"), _introductions("weak_patterns")
_PARTS_OF_NAMES = known_names() | vocabulary("names", "particles")
_KNOWN = _PARTS_OF_NAMES | vocabulary("names", "titles")
# Before a name a part of it; alone nobody's.
_TITLES = _KNOWN - _PARTS_OF_NAMES
# What one calls the person addressed: behind a name a part of it, behind anything else a courtesy.
_VOCATIVES = vocabulary("names", "vocatives")
_ENDINGS = spellings("names", "endings")
_BEGINNINGS = spellings("names", "beginnings")
_WORDS_OF_SENTENCES = vocabulary("names", "never")
_NEVER = _WORDS_OF_SENTENCES - _KNOWN
_COMMON = vocabulary("names", "common") - _KNOWN
_LISTED = common_words() - _KNOWN - _COMMON


def read_name(text: str) -> Reading:
    """How ``text`` reads as the answer to "What is your name?"."""
    line = one_line(text)
    if len(line) > READ_CHARACTERS:
        return Reading(Verdict.DOUBTFUL, line)
    remark = Remark.of(line)
    if introduced := _introduced(remark, _STRONG):
        return Reading(_verdict(introduced, said(introduced), is_introduced=True), introduced)
    introduced = _introduced(remark, _WEAK)
    if introduced and _is_recognised(said(introduced)):
        return Reading(_verdict(introduced, said(introduced)), introduced)
    if remark.refusal() or remark.is_question or remark.is_small_talk or remark.is_auto_reply:
        return Reading(Verdict.NONE, line)
    if introduced:
        return Reading(Verdict.DOUBTFUL, introduced)
    return Reading(_verdict(line, remark.spoken), line)


def _introduced(remark: Remark, introductions: Iterable[_Introduction]) -> str | None:
    """The name that the remark introduces: up to the first word that can belong to none."""
    spoken = frozenset(remark.spoken)
    greeting = _GREETING.match(remark.text)
    text = remark.text[greeting.end() :] if greeting else remark.text
    for introduction in introductions:
        if not introduction.words <= spoken or len(spoken) == len(introduction.words):
            continue
        if found := introduction.pattern.fullmatch(text):
            kept: list[str] = []
            for word in found["name"].split():
                if any(part in _NEVER for part in said(word)):
                    break
                kept.append(word)
                if word.endswith((",", ";", "!")):
                    break
            name = " ".join(kept).strip(_EDGES) if kept else ""
            if name and not _all_common(said(name)):
                return name + ("." if kept[-1].endswith(".") and len(kept[-1]) == len("K.") else "")
    return None


def _verdict(line: str, spoken: tuple[str, ...], *, is_introduced: bool = False) -> Verdict:
    if not spoken:
        return Verdict.NONE
    if all(word in _TITLES for word in spoken):
        return Verdict.DOUBTFUL
    never = [word for word in spoken if word in _NEVER]
    common = [word for word in spoken if word in _COMMON]
    listed = [word for word in spoken if word in _LISTED]
    if len(spoken) == 1:
        return Verdict.NONE if never or common else Verdict.DOUBTFUL if listed else Verdict.NAME
    if never or len(spoken) > _LONGEST_NAME:
        return Verdict.DOUBTFUL
    if is_introduced:
        return Verdict.DOUBTFUL if common else Verdict.NAME
    if not any(word.isascii() for word in spoken):
        return Verdict.DOUBTFUL if common or len(spoken) >= _MANY_WORDS else Verdict.NAME
    if len(spoken) < _LATIN_MUST_BE_KNOWN:
        rest = [word for word in spoken if word not in _COMMON and word not in _LISTED]
        is_mixed = len(rest) < len(spoken)
        if all(len(word) == 1 for word in spoken) or (is_mixed and not all(map(_is_known, rest))) or not rest:
            return Verdict.DOUBTFUL
        return Verdict.NAME
    if common or len(listed) > 1 or (listed and sum(map(_is_known, spoken)) < _VOUCHERS_FOR_A_WORD):
        return Verdict.DOUBTFUL
    return Verdict.NAME if _is_recognised(spoken, _is_capitalised(line)) else Verdict.DOUBTFUL


def _is_capitalised(line: str) -> bool:
    """Whether each word begins with a capital, as in a name that was written with care."""
    typed = line.split()
    return not line.isupper() and all(word[0].isupper() for word in typed)


def _is_recognised(spoken: tuple[str, ...], is_capitalised: bool = False) -> bool:
    """Whether at least half of the words are known from names; a single one where the others look like names.

    An initial vouches for one word that is not known. A word that sentences have as well vouches for none.
    """
    full = [word for word in spoken if len(word) > 1]
    initials = len(spoken) - len(full)
    known = sum(_is_known(word) and word not in _WORDS_OF_SENTENCES for word in full)
    if not full or (not known and spoken[0] in {"i", "u", "y"}):
        return False
    unknown = [word for word in full if not _is_known(word)]
    # The small words that hold a sentence together are short in every language.
    looks_like_one = is_capitalised or all(len(word) >= _SHORTEST_UNKNOWN for word in unknown)
    vouched = any(_is_known(word) and word not in _VOCATIVES and word not in _WORDS_OF_SENTENCES for word in full)
    return (vouched and looks_like_one) or 2 * (known + min(initials, 1)) >= len(full)


def _is_known(word: str) -> bool:
    if word in _KNOWN:
        return True
    return len(word) >= _SHORTEST_TELLING and (word.endswith(_ENDINGS) or word.startswith(_BEGINNINGS))


def _all_common(spoken: tuple[str, ...]) -> bool:
    return all(word in _COMMON or word in _NEVER or len(word) == 1 for word in spoken)
