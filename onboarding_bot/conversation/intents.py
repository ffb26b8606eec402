"""Intents of a message that is no answer: a refusal of some kind, a question, small talk, an automatic reply.

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
from onboarding_bot.conversation.text_normalization import lowercase_words, single_line
from onboarding_bot.languages.lexicon import spellings

# What follows changes no intent, and would cost time.
READ_CHARACTERS = 400
# How far two words may stand apart that belong together: "I really do not want any of this".
_NEAR = 3
# In a longer message two words near each other may mean anything.
_PAIRS_MAX_WORDS, _PAIRS_MAX_WORDS_AMONG_ANSWERS = 12, 6
_NUKTA, _CANDRABINDU, _ANUSVARA = "\u093c", "\u0901", "\u0902"
_QUESTION_MARKS = ("?", "\u061f", "\uff1f")
_ASCII_WORDS = re.compile("[a-z0-9]+")


class Refusal(StrEnum):
    """The kinds of refusal, in the order in which a message is searched for them."""

    DELETE = "delete"
    DO_NOT_WRITE = "do_not_write"
    WRONG_NUMBER = "wrong_number"
    DISAGREE = "disagree"
    NOT_INTERESTED = "not_interested"


# The refusals that opt out of every message as well.
OPT_OUT_REFUSALS = frozenset(Refusal) - {Refusal.DELETE}


def lexicon_words(text: str) -> tuple[str, ...]:
    """The words of ``text`` as the lexicons spell them: without apostrophes, and in one of the spellings of Hindi."""
    line = text[:READ_CHARACTERS]
    if line.isascii():
        return tuple(_ASCII_WORDS.findall(line.lower().replace("'", "").replace("`", "")))
    decomposed = unicodedata.normalize("NFD", lowercase_words(single_line(line).replace("'", "")))
    folded = decomposed.replace(_NUKTA, "").replace(_CANDRABINDU, _ANUSVARA)
    return tuple(unicodedata.normalize("NFC", folded).split())


class _PhraseSearch:
    """Searches a message for spellings: of several words anywhere in it, of one word only when that stands alone."""

    def __init__(self, *path: str) -> None:
        self.phrases = frozenset(map(lexicon_words, spellings(*path)))
        self._by_first_word: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for phrase in self.phrases:
            if len(phrase) > 1:
                self._by_first_word[phrase[0]].append(phrase)

    def is_in(self, words: tuple[str, ...]) -> bool:
        """Whether one of the spellings is in the message."""
        if len(words) == 1:
            return words in self.phrases
        return any(
            words[index : index + len(phrase)] == phrase
            for index, word in enumerate(words)
            if word in self._by_first_word
            for phrase in self._by_first_word[word]
        )

    def begins(self, words: tuple[str, ...]) -> bool:
        """Whether the message begins with one of the spellings and goes on; one word may begin a name of two."""
        return any(words[:length] in self.phrases for length in (1, 2, 3) if max(length, 2) < len(words))


def vocabulary(*path: str) -> frozenset[str]:
    """Every word of the spellings at ``path``, in all languages."""
    return frozenset(word for spelling in spellings(*path) for word in lexicon_words(spelling))


_REFUSALS = {kind: _PhraseSearch("refusals", kind.value) for kind in Refusal}
_NEGATIONS = vocabulary("refusals", "near", "negations")
_EXCEPTIONS = vocabulary("refusals", "near", "unless")
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
_QUESTION_BEGINNINGS = _PhraseSearch("questions", "beginnings")
_QUESTION_PHRASES = _PhraseSearch("questions", "phrases")
_SMALL_TALK = _PhraseSearch("small_talk", "phrases")
_AUTO_REPLIES = _PhraseSearch("auto_replies", "phrases")
_POLITENESS = vocabulary("commands", "politeness")


@dataclass(frozen=True, slots=True)
class MessageText:
    """A message split into words once: its text, all its words, and those that are not mere politeness."""

    text: str
    words: tuple[str, ...]
    content_words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> MessageText:
        """Split ``text``."""
        words = lexicon_words(text)
        return cls(text, words, tuple(word for word in words if word not in _POLITENESS))

    @property
    def is_question(self) -> bool:
        """Whether it asks something."""
        return self._asks or _QUESTION_PHRASES.is_in(self.content_words)

    @property
    def is_auto_reply(self) -> bool:
        """Whether a program at the other end wrote it."""
        return _AUTO_REPLIES.is_in(self.words)

    @property
    def is_small_talk(self) -> bool:
        """Whether it is nothing but a greeting, thanks, a yes or a no, or another phrase of small talk."""
        if self.words in _SMALL_TALK.phrases or self.content_words in _SMALL_TALK.phrases:
            return True
        return is_yes(self.text) or is_no(self.text) or (bool(self.words) and not self.content_words)

    def refusal(self, *, among_answers: bool = False) -> Refusal | None:
        """The kind of refusal that it is, or None.

        ``among_answers`` is stricter, for the questions about a trade or a number: there, two words near each other
        may belong to the answer.
        """
        if not self.content_words or self.is_auto_reply:
            return None
        for kind, phrases in _REFUSALS.items():
            if phrases.is_in(self.content_words):
                return kind
        max_words = _PAIRS_MAX_WORDS_AMONG_ANSWERS if among_answers else _PAIRS_MAX_WORDS
        if self._asks or len(self.content_words) > max_words or not _EXCEPTIONS.isdisjoint(self.content_words):
            return None
        if among_answers and any(word.isdigit() for word in self.content_words):
            return None
        near = (kind for kind, some, others in _PAIRS if _are_near(self.content_words, some, others))
        found = next(near, None)
        return None if among_answers and found is Refusal.NOT_INTERESTED else found

    @property
    def _asks(self) -> bool:
        if not self.words:
            return False
        if self.text.rstrip().endswith(_QUESTION_MARKS):
            return True
        return not _QUESTION_WORDS.isdisjoint(self.words) or _QUESTION_BEGINNINGS.begins(self.words)


def refusal_in(text: str, *, among_answers: bool = False) -> Refusal | None:
    """The kind of refusal that ``text`` is, or None; see ``MessageText.refusal``."""
    return MessageText.of(text).refusal(among_answers=among_answers)


def is_question(text: str) -> bool:
    """Whether ``text`` asks something."""
    return MessageText.of(text).is_question


def _are_near(words: tuple[str, ...], some: Set[str], others: Set[str]) -> bool:
    first = [index for index, word in enumerate(words) if word in some]
    if not first:
        return False
    second = [index for index, word in enumerate(words) if word in others]
    return any(abs(one - other) <= _NEAR for one in first for other in second)
