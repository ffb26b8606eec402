"""Whether a text is plausibly somebody's name, by the words in the lexicons and the list of known names.

A name is never refused for being unknown: one that cannot be recognised is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from onboarding_bot.conversation.intents import is_auto_reply, is_question, is_small_talk, refusal_in, said
from onboarding_bot.conversation.typed import one_line
from onboarding_bot.languages.lexicon import known_names, spellings

# An unknown word of fewer letters tells nothing by how it begins or ends.
_SHORTEST_TELLING = 6
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


def _vocabulary(*path: str) -> frozenset[str]:
    return frozenset(word for spelling in spellings(*path) for word in said(spelling))


def _pattern(spelling: str, greetings: str) -> re.Pattern[str]:
    """The spelling with any punctuation between its words, after a greeting perhaps."""
    before, _, after = (re.escape(part.strip()).replace(r"\ ", r"[ ,.]+") for part in spelling.partition("{name}"))
    gap = r"[\s:,.\-]*" if before.endswith((":", r"\-")) else r"[\s:,.\-]+"
    start = f"{before}{gap}" if before else ""
    end = f"[ ,.]+{after}" if after else ""
    return re.compile(rf"(?:(?:{greetings})[ ,.!]+)*{start}(?P<name>\S.*?){end}[ .,!]*", re.IGNORECASE)


def _patterns(table: str) -> tuple[re.Pattern[str], ...]:
    greetings = "|".join(re.escape(word) for word in (*spellings("commands", "hello"), *spellings("commands", "politeness")))
    # The longest first: "my name is {name}" before "my name {name}".
    return tuple(_pattern(one, greetings) for one in sorted(spellings("names", table), key=len, reverse=True))


_PATTERNS, _WEAK_PATTERNS = _patterns("patterns"), _patterns("weak_patterns")
_TITLES = _vocabulary("names", "titles")
_KNOWN = known_names() | _vocabulary("names", "particles") | _TITLES
_ENDINGS = spellings("names", "endings")
_BEGINNINGS = spellings("names", "beginnings")
_WORDS_OF_SENTENCES = _vocabulary("names", "never")
_NEVER = _WORDS_OF_SENTENCES - _KNOWN
_COMMON = _vocabulary("names", "common") - _KNOWN


@lru_cache(maxsize=1024)
def read_name(text: str) -> Reading:
    """How ``text`` reads as the answer to "What is your name?"."""
    line = one_line(text)
    if introduced := _introduced(line, _PATTERNS):
        return Reading(_verdict(introduced, is_introduced=True), introduced)
    introduced = _introduced(line, _WEAK_PATTERNS)
    if introduced and _is_recognised(said(introduced)) and _verdict(introduced) is Verdict.NAME:
        return Reading(Verdict.NAME, introduced)
    if refusal_in(line) or is_question(line) or is_small_talk(line) or is_auto_reply(line):
        return Reading(Verdict.NONE, line)
    return Reading(_verdict(line), line)


def is_plausible(name: str) -> bool:
    """Whether a stored name would be taken as it is today."""
    return read_name(name).verdict is Verdict.NAME


def _introduced(line: str, patterns: Iterable[re.Pattern[str]]) -> str | None:
    """The name that the text introduces: up to the first word that can belong to none."""
    for pattern in patterns:
        if found := pattern.fullmatch(line):
            kept: list[str] = []
            for word in found["name"].split():
                spoken = said(word)
                if any(part in _NEVER for part in spoken):
                    break
                kept.append(word)
                if word.endswith((",", ";", "!")):
                    break
            name = " ".join(kept).strip(_EDGES) if kept else ""
            if name and not _all_common(said(name)):
                return name + ("." if kept[-1].endswith(".") and len(kept[-1]) == len("K.") else "")
    return None


def _verdict(line: str, *, is_introduced: bool = False) -> Verdict:
    spoken = said(line)
    if not spoken:
        return Verdict.NONE
    never = [word for word in spoken if word in _NEVER]
    common = [word for word in spoken if word in _COMMON]
    if len(spoken) == 1:
        return Verdict.NONE if never or common else Verdict.NAME
    if never or len(spoken) > _LONGEST_NAME:
        return Verdict.DOUBTFUL
    if is_introduced:
        return Verdict.DOUBTFUL if common else Verdict.NAME
    if not any(word.isascii() for word in spoken):
        return Verdict.DOUBTFUL if common or len(spoken) >= _MANY_WORDS else Verdict.NAME
    if len(spoken) < _LATIN_MUST_BE_KNOWN:
        rest = [word for word in spoken if word not in _COMMON]
        if all(len(word) == 1 for word in spoken) or (common and not all(map(_is_known, rest))) or not rest:
            return Verdict.DOUBTFUL
        return Verdict.NAME
    return Verdict.NAME if not common and _is_recognised(spoken, _is_capitalised(line)) else Verdict.DOUBTFUL


def _is_capitalised(line: str) -> bool:
    """Whether each word begins with a capital, as in a name that was written with care."""
    typed = line.split()
    return not line.isupper() and all(word[0].isupper() for word in typed)


def _is_recognised(spoken: tuple[str, ...], is_capitalised: bool = False) -> bool:
    """Whether at least half of the words are known from names, of capitalised ones a single one.

    An initial vouches for one word that is not known. Of a word that sentences have as well nothing is told.
    """
    full = [word for word in spoken if len(word) > 1]
    initials = len(spoken) - len(full)
    known = sum(_is_known(word) and word not in _WORDS_OF_SENTENCES for word in full)
    if not full or (not known and spoken[0] in {"i", "u", "y"}):
        return False
    return (is_capitalised and known > 0) or 2 * (known + min(initials, 1)) >= len(full)


def _is_known(word: str) -> bool:
    if word in _KNOWN:
        return True
    return len(word) >= _SHORTEST_TELLING and (word.endswith(_ENDINGS) or word.startswith(_BEGINNINGS))


def _all_common(spoken: tuple[str, ...]) -> bool:
    return all(word in _COMMON or word in _NEVER or len(word) == 1 for word in spoken)
