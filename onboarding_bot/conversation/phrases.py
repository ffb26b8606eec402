"""Finds the spellings of a lexicon's tables in a message: which kinds of phrase its words are, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from onboarding_bot.conversation.text_normalization import lowercase_words


def no_kind(_word: str) -> str | None:
    """The kind of a word that no table lists: none."""
    return None


class Phrases:
    """Tables of spellings, by the kind of phrase that each table holds.

    A spelling that stands in two tables is of the kind of the first.
    """

    def __init__(self, tables: Mapping[str, Iterable[str]]) -> None:
        self._by_first_word: dict[str, dict[tuple[str, ...], str]] = {}
        for kind, spellings in tables.items():
            for spelling in spellings:
                phrase = tuple(lowercase_words(spelling).split()) or (spelling,)
                self._by_first_word.setdefault(phrase[0], {}).setdefault(phrase, kind)
        self._longest = {first: max(map(len, phrases)) for first, phrases in self._by_first_word.items()}

    def match_at(self, words: Sequence[str], index: int) -> tuple[str, int] | None:
        """The kind of the longest phrase that begins at ``index``, and how many words it has."""
        phrases = self._by_first_word.get(words[index])
        if phrases is None:
            return None
        for length in range(min(self._longest[words[index]], len(words) - index), 0, -1):
            if kind := phrases.get(tuple(words[index : index + length])):
                return kind, length
        return None

    def kinds(self, words: Sequence[str], kind_of: Callable[[str], str | None] = no_kind) -> list[str] | None:
        """The kinds of all phrases in their order; None when a word belongs to no phrase and has no ``kind_of``."""
        found, index = [], 0
        while index < len(words):
            kind, length = self.match_at(words, index) or (kind_of(words[index]), 1)
            if kind is None:
                return None
            found.append(kind)
            index += length
        return found

    def words_outside(self, words: Sequence[str]) -> list[str]:
        """The words that belong to no phrase."""
        left, index = [], 0
        while index < len(words):
            if found := self.match_at(words, index):
                index += found[1]
            else:
                left.append(words[index])
                index += 1
        return left
