"""What a message wants that is no answer: a refusal of some kind, a question, something said in passing.

The words stand in the lexicons, in the tables ``refusals``, ``questions``, ``small_talk`` and ``auto_replies``.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum

from onboarding_bot.conversation.commands import is_no, is_yes
from onboarding_bot.conversation.typed import one_line, words
from onboarding_bot.languages.lexicon import spellings

_NUKTA, _CANDRABINDU, _ANUSVARA = "\u093c", "\u0901", "\u0902"
# So many words may lie between two that belong together: "I really do not want any of this".
_NEAR = 3
# A longer message tells a story; what its words say near each other may mean anything.
_LONGEST_REMARK = 12
_QUESTION_MARKS = ("?", "\u061f", "\uff1f")


class Refusal(StrEnum):
    """The kinds of no, in the order in which they are looked for."""

    DELETE = "delete"
    DO_NOT_WRITE = "do_not_write"
    WRONG_NUMBER = "wrong_number"
    DISAGREE = "disagree"
    NOT_INTERESTED = "not_interested"


# The kinds after which nobody is written to any more.
ENDING = frozenset(Refusal) - {Refusal.DELETE}


def said(text: str) -> tuple[str, ...]:
    """The words of ``text`` as the lexicons have them: without apostrophes, and in one of the spellings of Hindi."""
    plain = unicodedata.normalize("NFD", words(one_line(text).replace("'", "")))
    folded = plain.replace(_NUKTA, "").replace(_CANDRABINDU, _ANUSVARA)
    return tuple(unicodedata.normalize("NFC", folded).split())


class _Phrases:
    """Spellings to be found in a message: several words anywhere in it, a single one only when it stands alone."""

    def __init__(self, *path: str) -> None:
        self._alone: set[str] = set()
        self._by_first: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        self.whole: set[tuple[str, ...]] = set()
        for phrase in map(said, spellings(*path)):
            self.whole.add(phrase)
            if len(phrase) == 1:
                self._alone.add(phrase[0])
            elif phrase:
                self._by_first[phrase[0]].append(phrase)

    def within(self, spoken: tuple[str, ...]) -> bool:
        """Whether one of them is said."""
        if len(spoken) == 1:
            return spoken[0] in self._alone
        return any(
            spoken[place : place + len(phrase)] == phrase
            for place, word in enumerate(spoken)
            for phrase in self._by_first.get(word, ())
        )

    def begin(self, spoken: tuple[str, ...]) -> bool:
        """Whether the message begins with one of them, and says more."""
        return any(spoken[: len(phrase)] == phrase and len(spoken) > len(phrase) for phrase in self.whole)


def _vocabulary(*path: str) -> frozenset[str]:
    return frozenset(word for spelling in spellings(*path) for word in said(spelling))


_REFUSALS: Mapping[Refusal, _Phrases] = {kind: _Phrases("refusals", kind.value) for kind in Refusal}
_NEGATIONS = _vocabulary("refusals", "near", "negations")
_UNLESS = _vocabulary("refusals", "near", "unless")
_BELONGINGS = _vocabulary("refusals", "near", "belongings")
_PAIRS: tuple[tuple[Refusal, frozenset[str], frozenset[str]], ...] = (
    (Refusal.DELETE, _vocabulary("refusals", "near", "removal"), _BELONGINGS),
    (Refusal.DO_NOT_WRITE, _NEGATIONS, _vocabulary("refusals", "near", "writing")),
    (Refusal.DISAGREE, _NEGATIONS, _vocabulary("refusals", "near", "agreement")),
    (Refusal.NOT_INTERESTED, _NEGATIONS, _vocabulary("refusals", "near", "wishes")),
)
_QUESTION_WORDS = _vocabulary("questions", "words")
_QUESTION_BEGINNINGS = _Phrases("questions", "beginnings")
_QUESTION_PHRASES = _Phrases("questions", "phrases")
_SMALL_TALK = _Phrases("small_talk", "phrases")
_AUTO_REPLIES = _Phrases("auto_replies", "phrases")
_POLITENESS = _vocabulary("commands", "politeness")


def refusal_in(text: str, *, only_outright: bool = False) -> Refusal | None:
    """The kind of no that ``text`` is, or None.

    ``only_outright`` looks for whole phrases alone, where words near each other may be part of an answer.
    """
    spoken = _without_politeness(said(text))
    if not spoken or is_auto_reply(text):
        return None
    for kind, phrases in _REFUSALS.items():
        if phrases.within(spoken):
            return kind
    if only_outright or _asks(text, spoken) or len(spoken) > _LONGEST_REMARK or _UNLESS.intersection(spoken):
        return None
    return next((kind for kind, some, others in _PAIRS if _are_near(spoken, some, others)), None)


def is_question(text: str) -> bool:
    """Whether ``text`` asks something."""
    spoken = said(text)
    return _asks(text, spoken) or _QUESTION_PHRASES.within(_without_politeness(spoken))


def is_auto_reply(text: str) -> bool:
    """Whether a machine at the other end wrote ``text``."""
    return _AUTO_REPLIES.within(said(text))


def is_small_talk(text: str) -> bool:
    """Whether ``text`` is nothing but a greeting, thanks, a yes or a no, or another remark in passing."""
    spoken = said(text)
    talk = spoken in _SMALL_TALK.whole or _without_politeness(spoken) in _SMALL_TALK.whole
    return talk or is_yes(text) or is_no(text) or (bool(spoken) and not _without_politeness(spoken))


def _asks(text: str, spoken: tuple[str, ...]) -> bool:
    if not spoken:
        return False
    if text.rstrip().endswith(_QUESTION_MARKS):
        return True
    return not _QUESTION_WORDS.isdisjoint(spoken) or _QUESTION_BEGINNINGS.begin(spoken)


def _without_politeness(spoken: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in spoken if word not in _POLITENESS)


def _are_near(spoken: tuple[str, ...], some: Iterable[str], others: Iterable[str]) -> bool:
    first = [place for place, word in enumerate(spoken) if word in some]
    second = [place for place, word in enumerate(spoken) if word in others]
    return any(abs(one - other) <= _NEAR for one in first for other in second)
