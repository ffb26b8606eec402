"""The lexicons: which words of which language mean what, read once from ``languages/<code>/lexicon.toml``.

A translator edits those files alone. Each table lists spellings as people type them, in any case and punctuation.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = Path(__file__).parent
# The order in which languages are tried: a word of an earlier one never means something else in a later one.
ORDER = ("en", "hi_Latn", "hi")

Spellings = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """One language's words. ``language`` is the name of its folder, such as ``hi_Latn``."""

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
    """Every language's lexicon, in the order in which they are tried."""
    return tuple(
        Lexicon(language, tomllib.loads((LANGUAGES / language / "lexicon.toml").read_text(encoding="utf-8")))
        for language in ORDER
    )


def spellings(*path: str) -> Spellings:
    """The spellings at ``path`` in all languages, in their order."""
    return tuple(spelling for lexicon in lexicons() for spelling in lexicon.spellings(*path))


@cache
def known_names() -> frozenset[str]:
    """Given names and surnames in Latin letters, in lower case: a name in any language may have them."""
    return frozenset(_lines(LANGUAGES / "known_names.txt"))


@cache
def common_words() -> frozenset[str]:
    """Words of languages that are nobody's name, from their ``common_words.txt``, where they have one."""
    lists = (LANGUAGES / language / "common_words.txt" for language in ORDER)
    return frozenset(word for path in lists if path.is_file() for word in _lines(path))


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
