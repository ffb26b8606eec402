"""The lexicons: their files, and that a word means one thing in all of them."""

from __future__ import annotations

from collections import defaultdict

import pytest

from onboarding_bot.conversation.commands import Command
from onboarding_bot.conversation.sectors import SECTORS
from onboarding_bot.conversation.typed import words
from onboarding_bot.languages.lexicon import LANGUAGES, Lexicon, lexicons, spellings

ANSWERS = {"yes", "no", "continue", "politeness"}


def by_language(lexicon: Lexicon) -> str:
    return lexicon.language


def test_every_folder_is_a_language_that_is_tried() -> None:
    folders = {file.parent.name for file in LANGUAGES.glob("*/lexicon.toml")}
    assert folders == {lexicon.language for lexicon in lexicons()}


@pytest.mark.parametrize("lexicon", lexicons(), ids=by_language)
def test_a_lexicon_names_only_commands_and_sectors_that_exist(lexicon: Lexicon) -> None:
    known = {command.name.lower() for command in Command} | ANSWERS
    assert lexicon.tables["commands"].keys() <= known
    assert lexicon.tables["sectors"].keys() <= {sector.value for sector in SECTORS}


def test_a_word_means_one_thing_in_all_languages() -> None:
    meanings = defaultdict(set)
    for name in sorted({command.name.lower() for command in Command} | ANSWERS - {"politeness"}):
        for spelling in spellings("commands", name):
            meanings[words(spelling)].add(name)
    for sector in SECTORS:
        for spelling in spellings("sectors", sector.value, "aliases"):
            meanings[words(spelling)].add(sector.value)
    assert {word: found for word, found in meanings.items() if len(found) > 1} == {}
