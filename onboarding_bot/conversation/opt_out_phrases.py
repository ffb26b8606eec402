"""Whether a message opts out, of all messages or of news alone, by the words that the lexicons have for that.

A lexicon's ``[stop]`` lists words by what they do in such a message (``KINDS``). A message opts out when each word of
it is in a table, and the kinds make sense together: "please stop sending me messages" is a verb with an action and an
object between fillers, "Bus stop stationery" holds words that no table has. The same goes for one sentence of a longer
message.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum
from itertools import groupby

from rapidfuzz import fuzz, process

from onboarding_bot.conversation.phrases import Phrases
from onboarding_bot.conversation.text_normalization import lowercase_words, squeeze_letters, strip_decoration
from onboarding_bot.languages.lexicon import spellings

# The tables of [stop], and the letter that stands for a phrase of each in the pattern of a message.
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
# No sentence that says nothing else is longer.
WORDS_MAX = 40
# Words of so many letters are found with typing mistakes too, when they are so much alike.
VERB_LETTERS, VERB_LIKENESS_PERCENT = 8, 85
OBJECT_LETTERS, OBJECT_LIKENESS_PERCENT = 5, 80
# So many letters that stand apart, "S T O P", are one word.
SPELT_OUT_LETTERS = 3
# A verb of no more letters is found only as it is spelt.
EXACT_VERB_LETTERS = 3

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
_BREAKS = {lowercase_words(spelling) for spelling in spellings("stop", "breaks")}


def _single_words(*kinds: str) -> dict[str, str]:
    words = ((lowercase_words(spelling), kind) for kind in kinds for spelling in _TABLES[kind])
    return {word: kind for word, kind in words if " " not in word}


def _with_neighbours_swapped(word: str) -> set[str]:
    return {f"{word[:index]}{word[index + 1]}{word[index]}{word[index + 2 :]}" for index in range(len(word) - 1)}


_VERBS = _single_words("V", "E")
_SQUEEZED = {squeeze_letters(verb): kind for verb, kind in _VERBS.items()}
_SWAPPED = {
    swapped: kind
    for verb, kind in _VERBS.items()
    if len(verb) > EXACT_VERB_LETTERS
    for swapped in _with_neighbours_swapped(verb)
}
_REPEATED = re.compile("|".join(f"(?:{re.escape(verb)}){{2,}}" for verb in _VERBS if len(verb) > EXACT_VERB_LETTERS))
_LONG_VERBS = {
    first: list(verbs)
    for first, verbs in groupby(sorted(verb for verb in _VERBS if len(verb) >= VERB_LETTERS), lambda verb: verb[0])
}
_LONG_OBJECTS = {word: kind for word, kind in _single_words("O", "M").items() if len(word) >= OBJECT_LETTERS}
_SIGNS = re.compile(f"([{''.join(STOP_SIGNS)}])")
_SENTENCES = re.compile(r"[.!?;,\n…।|]+|[-–—]{2,}|\s[-–—]\s")
_ENDS_A_SENTENCE = re.compile(r"[.!?\n]")
_ZERO_IN_A_WORD = re.compile(r"(?<=[a-z])0|0(?=[a-z])")


class OptOutScope(StrEnum):
    """What a person opts out of: every message that the bot sends on its own account, or news alone."""

    ALL = "all"
    NEWS = "news"


def opt_out_request(text: str) -> OptOutScope | None:
    """What ``text`` opts out of, or None when it says anything else."""
    undecorated = strip_decoration(text)
    words = _words_and_signs(undecorated)
    if not words:
        return None
    scope = _scope(words, may_be_one_verb=True) if len(words) <= WORDS_MAX else None
    return scope or _scope_of_a_sentence(undecorated, words)


def _scope_of_a_sentence(text: str, words: list[str]) -> OptOutScope | None:
    """What one sentence of a longer message opts out of."""
    if _SENTENCES.search(text) is None and _BREAKS.isdisjoint(words):
        return None
    sentences = [
        sentence for part in _SENTENCES.split(text) for sentence in _split_at_breaks(_words_and_signs(part)) if sentence
    ]
    for index, sentence in enumerate(sentences):
        # "Stop. I am not interested." is clear, and so is "Not interested, stop"; a single "stop" in between may belong
        # to an address, and the one of "Stop, Drop" to a name.
        is_first = index == 0 and (_ENDS_A_SENTENCE.search(text) is not None or not _BREAKS.isdisjoint(words))
        is_last = 0 < index == len(sentences) - 1
        may_be_one_verb = (is_first or is_last) and len(words) > len(sentence) + 1
        if len(sentence) <= WORDS_MAX and (scope := _scope(sentence, may_be_one_verb=may_be_one_verb)):
            return scope
    return None


def _split_at_breaks(words: list[str]) -> list[list[str]]:
    """The words between those that begin another clause: "because", "or"."""
    clauses: list[list[str]] = [[]]
    for word in words:
        if word in _BREAKS:
            clauses.append([])
        else:
            clauses[-1].append(word)
    return clauses


def _scope(words: list[str], *, may_be_one_verb: bool) -> OptOutScope | None:
    kinds = _PHRASES.kinds(words, _mistyped)
    if kinds is None and len(words) > 1 and "".join(words) in _VERBS:
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
    if not (_is_explicit(core) or (may_be_one_verb and _is_one_verb(core, pattern))):
        return None
    return OptOutScope.NEWS if _is_about_news(core) else OptOutScope.ALL


def _is_explicit(core: str) -> bool:
    has = frozenset(core)
    about = has & frozenset("OAM")
    return bool(
        "P" in has
        or (about and has & frozenset("VNU"))
        or (has & frozenset("EB") and has & frozenset("OM"))
        or ("D" in has and "M" in has)
    )


def _is_one_verb(core: str, pattern: str) -> bool:
    return "V" in core or (bool(core) and set(core) == {"E"} and "f" not in pattern)


def _is_about_news(core: str) -> bool:
    """Whether every clause of the message, joined by "and", speaks of news."""
    return "M" in core and all("M" in part for part in core.split("J") if part)


def _words_and_signs(text: str) -> list[str]:
    """The words of ``text`` with the stop signs between them; letters that stand apart ("S T O P") are one word."""
    words: list[str] = []
    for part in _SIGNS.split(text):
        words.extend([part] if part in STOP_SIGNS else lowercase_words(part).split())
    joined: list[str] = []
    for is_letter, run in groupby(words, key=lambda word: len(word) == 1 and word.isalpha()):
        group = list(run)
        joined.extend(["".join(group)] if is_letter and len(group) >= SPELT_OUT_LETTERS else group)
    return joined


def _mistyped(word: str) -> str | None:
    """The kind of a mistyped word: with letters doubled, swapped or missing, or a zero for an o."""
    word = _ZERO_IN_A_WORD.sub("o", word)
    if kind := _VERBS.get(word) or _SQUEEZED.get(squeeze_letters(word)) or _SWAPPED.get(word):
        return kind
    if _REPEATED.fullmatch(word) or _most_like(word, _LONG_VERBS.get(word[0], ()), VERB_LIKENESS_PERCENT):
        return "V"
    meant = _most_like(word, _LONG_OBJECTS.keys(), OBJECT_LIKENESS_PERCENT) if len(word) >= OBJECT_LETTERS else None
    return _LONG_OBJECTS[meant] if meant else None


def _most_like(word: str, others: Collection[str], likeness: int) -> str | None:
    found = process.extractOne(word, others, scorer=fuzz.ratio, score_cutoff=likeness) if others else None
    return found[0] if found else None
