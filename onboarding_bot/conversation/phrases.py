"""Spellings of one word or several, found in a message: which kinds of phrase it is made of, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from onboarding_bot.conversation.text_normalization import words


def no_other(_word: str) -> str | None:
    """For a message that may only hold what the tables list."""
    return None


class Phrases:
    """Tables of spellings, by the kind that each table stands for; of two tables with one spelling the first counts."""

    def __init__(self, tables: Mapping[str, Iterable[str]]) -> None:
        self._by_first: dict[str, dict[tuple[str, ...], str]] = {}
        for kind, spellings in tables.items():
            for spelling in spellings:
                phrase = tuple(words(spelling).split()) or (spelling,)
                self._by_first.setdefault(phrase[0], {}).setdefault(phrase, kind)
        self._longest = {first: max(map(len, phrases)) for first, phrases in self._by_first.items()}

    def at(self, said: Sequence[str], place: int) -> tuple[str, int] | None:
        """The kind of the longest phrase that begins at ``place``, and how many words it has."""
        phrases = self._by_first.get(said[place])
        if phrases is None:
            return None
        for length in range(min(self._longest[said[place]], len(said) - place), 0, -1):
            if kind := phrases.get(tuple(said[place : place + length])):
                return kind, length
        return None

    def kinds(self, said: Sequence[str], other: Callable[[str], str | None] = no_other) -> list[str] | None:
        """The kinds of all phrases in their order; None when a word belongs to none, and ``other`` gives it none."""
        found, place = [], 0
        while place < len(said):
            kind, length = self.at(said, place) or (other(said[place]), 1)
            if kind is None:
                return None
            found.append(kind)
            place += length
        return found

    def without(self, said: Sequence[str]) -> list[str]:
        """The words that belong to no phrase."""
        left, place = [], 0
        while place < len(said):
            if found := self.at(said, place):
                place += found[1]
            else:
                left.append(said[place])
                place += 1
        return left
