"""What a message wants that is no answer: a refusal of some kind, a question, something said in passing.

The words stand in the lexicons, in the tables ``refusals``, ``questions``, ``small_talk`` and ``auto_replies``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum

from onboarding_bot.conversation.commands import is_no, is_yes
from onboarding_bot.conversation.text_normalization import one_line, words
from onboarding_bot.languages.lexicon import spellings

# What stands further back changes nothing any more, and costs time.
READ_CHARACTERS = 400
# So many words may lie between two that belong together: "I really do not want any of this".
_NEAR = 3
# A longer message tells a story; what its words say near each other may mean anything.
_LONGEST_REMARK, _LONGEST_AMONG_ANSWERS = 12, 6
_NUKTA, _CANDRABINDU, _ANUSVARA = "\u093c", "\u0901", "\u0902"
_QUESTION_MARKS = ("?", "\u061f", "\uff1f")
_ASCII_WORDS = re.compile("[a-z0-9]+")


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
    line = text[:READ_CHARACTERS]
    if line.isascii():
        return tuple(_ASCII_WORDS.findall(line.lower().replace("'", "").replace("`", "")))
    plain = unicodedata.normalize("NFD", words(one_line(line).replace("'", "")))
    folded = plain.replace(_NUKTA, "").replace(_CANDRABINDU, _ANUSVARA)
    return tuple(unicodedata.normalize("NFC", folded).split())


class _Phrases:
    """Spellings to be found in a message: several words anywhere in it, a single one only when it stands alone."""

    def __init__(self, *path: str) -> None:
        self.whole = frozenset(map(said, spellings(*path)))
        self._by_first: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for phrase in self.whole:
            if len(phrase) > 1:
                self._by_first[phrase[0]].append(phrase)

    def within(self, spoken: tuple[str, ...]) -> bool:
        """Whether one of them is said."""
        if len(spoken) == 1:
            return spoken in self.whole
        return any(
            spoken[place : place + len(phrase)] == phrase
            for place, word in enumerate(spoken)
            if word in self._by_first
            for phrase in self._by_first[word]
        )

    def begin(self, spoken: tuple[str, ...]) -> bool:
        """Whether the message begins with one of them, and says more; a single word may begin a name of two."""
        return any(spoken[:length] in self.whole for length in (1, 2, 3) if max(length, 2) < len(spoken))


def vocabulary(*path: str) -> frozenset[str]:
    """Every word of the spellings at ``path``, in all languages."""
    return frozenset(word for spelling in spellings(*path) for word in said(spelling))


_REFUSALS = {kind: _Phrases("refusals", kind.value) for kind in Refusal}
_NEGATIONS = vocabulary("refusals", "near", "negations")
_UNLESS = vocabulary("refusals", "near", "unless")
_PAIRS: tuple[tuple[Refusal, frozenset[str], frozenset[str]], ...] = (
    (
        Refusal.DELETE,
        vocabulary("refusals", "near", "removal"),
        vocabulary("refusals", "near", "belongings"),
    ),
    (Refusal.DO_NOT_WRITE, _NEGATIONS, vocabulary("refusals", "near", "writing")),
    (Refusal.DISAGREE, _NEGATIONS, vocabulary("refusals", "near", "agreement")),
    (Refusal.NOT_INTERESTED, _NEGATIONS, vocabulary("refusals", "near", "wishes")),
)
_QUESTION_WORDS = vocabulary("questions", "words")
_QUESTION_BEGINNINGS = _Phrases("questions", "beginnings")
_QUESTION_PHRASES = _Phrases("questions", "phrases")
_SMALL_TALK = _Phrases("small_talk", "phrases")
_AUTO_REPLIES = _Phrases("auto_replies", "phrases")
_POLITENESS = vocabulary("commands", "politeness")


@dataclass(frozen=True, slots=True)
class Remark:
    """A message read once: its text, its words, and those of them that are not mere politeness."""

    text: str
    spoken: tuple[str, ...]
    bare: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Remark:
        """The remark that ``text`` is."""
        spoken = said(text)
        return cls(text, spoken, tuple(word for word in spoken if word not in _POLITENESS))

    @property
    def is_question(self) -> bool:
        """Whether it asks something."""
        return self._asks or _QUESTION_PHRASES.within(self.bare)

    @property
    def is_auto_reply(self) -> bool:
        """Whether a machine at the other end wrote it."""
        return _AUTO_REPLIES.within(self.spoken)

    @property
    def is_small_talk(self) -> bool:
        """Whether it is nothing but a greeting, thanks, a yes or a no, or another remark in passing."""
        if self.spoken in _SMALL_TALK.whole or self.bare in _SMALL_TALK.whole:
            return True
        return is_yes(self.text) or is_no(self.text) or (bool(self.spoken) and not self.bare)

    def refusal(self, *, among_answers: bool = False) -> Refusal | None:
        """The kind of no that it is, or None.

        ``among_answers`` is more careful: where a trade or a number is asked for, words near each other may tell of it.
        """
        if not self.bare or self.is_auto_reply:
            return None
        for kind, phrases in _REFUSALS.items():
            if phrases.within(self.bare):
                return kind
        longest = _LONGEST_AMONG_ANSWERS if among_answers else _LONGEST_REMARK
        if self._asks or len(self.bare) > longest or not _UNLESS.isdisjoint(self.bare):
            return None
        if among_answers and any(word.isdigit() for word in self.bare):
            return None
        near = (kind for kind, some, others in _PAIRS if _are_near(self.bare, some, others))
        found = next(near, None)
        return None if among_answers and found is Refusal.NOT_INTERESTED else found

    @property
    def _asks(self) -> bool:
        if not self.spoken:
            return False
        if self.text.rstrip().endswith(_QUESTION_MARKS):
            return True
        return not _QUESTION_WORDS.isdisjoint(self.spoken) or _QUESTION_BEGINNINGS.begin(self.spoken)


def refusal_in(text: str, *, among_answers: bool = False) -> Refusal | None:
    """The kind of no that ``text`` is, or None; see ``Remark.refusal``."""
    return Remark.of(text).refusal(among_answers=among_answers)


def is_question(text: str) -> bool:
    """Whether ``text`` asks something."""
    return Remark.of(text).is_question


def _are_near(spoken: tuple[str, ...], some: Set[str], others: Set[str]) -> bool:
    first = [place for place, word in enumerate(spoken) if word in some]
    if not first:
        return False
    second = [place for place, word in enumerate(spoken) if word in others]
    return any(abs(one - other) <= _NEAR for one in first for other in second)
