"""Whether a message asks that messages end, all of them or news alone, in whatever words the lexicons know for that.

A lexicon's ``[stop]`` lists words by what they do in such a message (``KINDS``); a message counts when every word of it
is in a table, and the kinds make sense together: "please stop sending me messages" is a verb with an action and an
object between fillers, "Bus stop stationery" holds words that no table knows. So is each sentence of a longer message.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum
from itertools import groupby

from rapidfuzz import fuzz, process

from onboarding_bot.conversation.phrases import Phrases
from onboarding_bot.conversation.text_normalization import undressed, words
from onboarding_bot.languages.lexicon import spellings

# What each table of [stop] holds, as one letter in the pattern of a message:
KINDS = {
    "phrases": "P",  # enough by themselves: "leave me alone"
    "verbs": "V",  # enough by themselves: "stop", "unsubscribe"
    "endings": "E",  # "end": with an object, or alone
    "halts": "B",  # with a light verb: "band" of "band karo"
    "light_verbs": "L",  # "karo"
    "negations": "N",  # with an action or an object: "don't", "mat"
    "denials": "D",  # with news alone: "no offers"
    "unwanted": "U",  # with an action or an object: "no more", "nahi chahiye"
    "actions": "A",  # "sending", "bhejo"
    "objects": "O",  # "messages"
    "news": "M",  # "promotions": such a message ends news alone
    "articles": "d",  # before a verb they make a noun of it: "the stop"
    "joins": "J",  # "and"
    "fillers": "f",
}
STOP_SIGNS = ("🛑", "⛔", "🚫")
# Longer than any sentence that says nothing else.
WORDS_MAX = 40
TYPING_MISTAKES_FROM = 8
LIKENESS_PERCENT = 85
OBJECTS_FROM, OBJECT_LIKENESS_PERCENT = 5, 80
SPELT_OUT_FROM = 3

_TABLES = {kind: spellings("stop", table) for table, kind in KINDS.items()}
_POLITE = "p"
_PHRASES = Phrases(
    {
        "V": (*_TABLES["V"], *STOP_SIGNS),
        _POLITE: (*spellings("commands", "politeness"), *spellings("answers", "thanks")),
        **{kind: table for kind, table in _TABLES.items() if kind != "V"},
        "f": (*_TABLES["f"], *spellings("commands", "yes")),
    }
)
_BREAKS = {words(spelling) for spelling in spellings("stop", "breaks")}


def _squeezed(word: str) -> str:
    return "".join(letter for letter, _ in groupby(word))


def _single(*kinds: str) -> dict[str, str]:
    return {said: kind for kind in kinds for spelling in _TABLES[kind] if " " not in (said := words(spelling))}


def _with_neighbours_swapped(word: str) -> set[str]:
    return {f"{word[:place]}{word[place + 1]}{word[place]}{word[place + 2 :]}" for place in range(len(word) - 1)}


_VERBS = _single("V", "E")
_SQUEEZED = {_squeezed(verb): kind for verb, kind in _VERBS.items()}
_SWAPPED = {
    swapped: kind
    for verb, kind in _VERBS.items()
    if len(verb) > SPELT_OUT_FROM
    for swapped in _with_neighbours_swapped(verb)
}
_REPEATED = re.compile("|".join(f"(?:{re.escape(verb)}){{2,}}" for verb in _VERBS if len(verb) > SPELT_OUT_FROM))
_LONG_VERBS = {
    first: list(verbs)
    for first, verbs in groupby(
        sorted(verb for verb in _VERBS if len(verb) >= TYPING_MISTAKES_FROM), lambda verb: verb[0]
    )
}
_LONG_OBJECTS = {word: kind for word, kind in _single("O", "M").items() if len(word) >= OBJECTS_FROM}
_SIGNS = re.compile(f"([{''.join(STOP_SIGNS)}])")
_SENTENCES = re.compile(r"[.!?;,\n…।|]+|[-–—]{2,}|\s[-–—]\s")
_ENDS_A_SENTENCE = re.compile(r"[.!?\n]")
_ZERO_IN_A_WORD = re.compile(r"(?<=[a-z])0|0(?=[a-z])")


class Ending(StrEnum):
    """What shall end: everything that the bot sends on its own account, or news alone."""

    ALL = "all"
    NEWS = "news"


def asked_to_end(text: str) -> Ending | None:
    """What ``text`` asks to end, or None when it says anything else."""
    bare = undressed(text)
    said = _spoken(bare)
    if not said:
        return None
    whole = _meaning(said, is_bare_enough=True) if len(said) <= WORDS_MAX else None
    return whole or _said_in_a_sentence(bare, said)


def _said_in_a_sentence(text: str, said: list[str]) -> Ending | None:
    if _SENTENCES.search(text) is None and _BREAKS.isdisjoint(said):
        return None
    sentences = [spoken for part in _SENTENCES.split(text) for spoken in _parted(_spoken(part)) if spoken]
    for place, sentence in enumerate(sentences):
        # "Stop. I am not interested." is clear, and so is "Not interested, stop"; a bare "stop" in between may belong
        # to an address, and the one of "Stop, Drop" to a name.
        is_first = place == 0 and (_ENDS_A_SENTENCE.search(text) is not None or not _BREAKS.isdisjoint(said))
        is_last = 0 < place == len(sentences) - 1
        is_bare_enough = (is_first or is_last) and len(said) > len(sentence) + 1
        if len(sentence) <= WORDS_MAX and (found := _meaning(sentence, is_bare_enough=is_bare_enough)):
            return found
    return None


def _parted(said: list[str]) -> list[list[str]]:
    """The words as they stand between those that begin another thought: "because", "or"."""
    parts: list[list[str]] = [[]]
    for word in said:
        if word in _BREAKS:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _meaning(said: list[str], *, is_bare_enough: bool) -> Ending | None:
    kinds = _PHRASES.kinds(said, _mistyped)
    if kinds is None and len(said) > 1 and "".join(said) in _VERBS:
        kinds = ["V"]
    if kinds is None:
        return None
    pattern = "".join(kinds)
    if re.search(r"d[VE]", pattern):
        return None
    core = re.sub(r"[dfp]", "", pattern)
    core = re.sub(r"BL+", "V", core)
    # "Do not stop", "stop mat karo".
    if re.search(r"N[VE]|[VEPB]NL", core):
        return None
    if not (_is_explicit(core) or (is_bare_enough and _is_bare(core, pattern))):
        return None
    return Ending.NEWS if _is_about_news(core) else Ending.ALL


def _is_explicit(core: str) -> bool:
    has = frozenset(core)
    about = has & frozenset("OAM")
    return bool(
        "P" in has
        or (about and has & frozenset("VNU"))
        or (has & frozenset("EB") and has & frozenset("OM"))
        or ("D" in has and "M" in has)
    )


def _is_bare(core: str, pattern: str) -> bool:
    return "V" in core or (bool(core) and set(core) == {"E"} and "f" not in pattern)


def _is_about_news(core: str) -> bool:
    """News alone, unless a part of the message that is joined to it speaks of everything."""
    return "M" in core and all("M" in part for part in core.split("J") if part)


def _spoken(text: str) -> list[str]:
    """The words of ``text`` with the signs between them; letters that stand apart ("S T O P") are one word."""
    said: list[str] = []
    for part in _SIGNS.split(text):
        said.extend([part] if part in STOP_SIGNS else words(part).split())
    joined: list[str] = []
    for is_letter, run in groupby(said, key=lambda word: len(word) == 1 and word.isalpha()):
        group = list(run)
        joined.extend(["".join(group)] if is_letter and len(group) >= SPELT_OUT_FROM else group)
    return joined


def _mistyped(word: str) -> str | None:
    """The kind of a word that was meant: letters doubled, swapped or missing, a zero for an o."""
    word = _ZERO_IN_A_WORD.sub("o", word)
    if kind := _VERBS.get(word) or _SQUEEZED.get(_squeezed(word)) or _SWAPPED.get(word):
        return kind
    if _REPEATED.fullmatch(word) or _most_like(word, _LONG_VERBS.get(word[0], ()), LIKENESS_PERCENT):
        return "V"
    meant = _most_like(word, _LONG_OBJECTS.keys(), OBJECT_LIKENESS_PERCENT) if len(word) >= OBJECTS_FROM else None
    return _LONG_OBJECTS[meant] if meant else None


def _most_like(word: str, others: Collection[str], likeness: int) -> str | None:
    found = process.extractOne(word, others, scorer=fuzz.ratio, score_cutoff=likeness) if others else None
    return found[0] if found else None
