"""The lexicons: the words that the bot understands in each language, read once from ``languages/<code>/lexicon.toml``.

A translator edits those files alone. Each table lists spellings as people type them; case and punctuation are ignored.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from onboarding_bot.languages import FOLDER, LEXICON, languages_with_lexicon

Spellings = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words of one language. ``language`` is the name of its folder, such as ``hi_Latn``."""

    language: str
    tables: Mapping[str, Any]

    def spellings(self, *path: str) -> Spellings:
        """The list at ``path``, such as ``"commands", "stop"``; empty where the language has none."""
        found: Any = self.tables
        for name in path:
            found = found.get(name, {})
        return tuple(found)


@cache
def lexicons() -> tuple[Lexicon, ...]:
    """The lexicons of all languages, in the order in which they are searched; no word means two things in them."""
    return tuple(
        Lexicon(language, tomllib.loads((FOLDER / language / LEXICON).read_text(encoding="utf-8")))
        for language in languages_with_lexicon()
    )


def spellings(*path: str) -> Spellings:
    """The spellings at ``path`` in all languages, in the order of search."""
    return tuple(spelling for lexicon in lexicons() for spelling in lexicon.spellings(*path))


@cache
def known_names() -> frozenset[str]:
    """Given names and surnames in Latin letters, in lower case; they count as names in every language."""
    return frozenset(_lines(FOLDER / "known_names.txt"))


@cache
def common_words() -> frozenset[str]:
    """Words that are nobody's name, of all languages that have a ``common_words.txt``."""
    lists = (FOLDER / language / "common_words.txt" for language in languages_with_lexicon())
    return frozenset(word for path in lists if path.is_file() for word in _lines(path))


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
