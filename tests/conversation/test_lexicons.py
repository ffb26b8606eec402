"""The lexicons: their files, and that a word means one thing in all of them."""

from __future__ import annotations

from collections import defaultdict

import pytest

from onboarding_bot.conversation.choices import LINES_MAX
from onboarding_bot.conversation.commands import LANGUAGE_COMMANDS, Command
from onboarding_bot.conversation.opt_out_phrases import KINDS, OptOutScope, opt_out_request
from onboarding_bot.conversation.sectors import SECTORS
from onboarding_bot.conversation.text_normalization import lowercase_words
from onboarding_bot.languages import languages_with_catalogue
from onboarding_bot.languages.lexicon import Lexicon, lexicons, spellings

TABLES = {
    "auto_replies",
    "small_talk",
    "commands",
    "answers",
    "stop",
    "numbers",
    "choices",
    "fields",
    "pincode",
    "phone",
    "names",
    "refusals",
    "questions",
    "sectors",
}
ANSWERS = {"yes", "no", "continue", "politeness"}


def by_language(lexicon: Lexicon) -> str:
    return lexicon.language


def test_every_language_that_is_written_is_understood_and_has_its_command() -> None:
    written = languages_with_catalogue()
    assert set(written) <= {lexicon.language for lexicon in lexicons()}
    assert list(LANGUAGE_COMMANDS) == written, "give it a Command and its row in LANGUAGE_COMMANDS"


def test_english_is_searched_first_and_then_what_is_written_in_latin_letters() -> None:
    assert [lexicon.language for lexicon in lexicons()] == ["en", "hi_Latn", "hi"]


@pytest.mark.parametrize("lexicon", lexicons(), ids=by_language)
def test_a_lexicon_names_only_commands_and_sectors_that_exist(lexicon: Lexicon) -> None:
    known = {command.name.lower() for command in Command} | ANSWERS
    assert lexicon.tables["commands"].keys() <= known
    assert lexicon.tables["sectors"].keys() <= {sector.value for sector in SECTORS}


def test_a_word_means_one_thing_in_all_languages() -> None:
    meanings = defaultdict(set)
    for name in sorted({command.name.lower() for command in Command} | ANSWERS - {"politeness"}):
        for spelling in spellings("commands", name):
            meanings[lowercase_words(spelling)].add(name)
    for number in range(LINES_MAX + 1):
        for spelling in spellings("numbers", str(number)):
            meanings[lowercase_words(spelling)].add(str(number))
    for sector in SECTORS:
        for spelling in spellings("sectors", sector.value, "aliases"):
            meanings[lowercase_words(spelling)].add(sector.value)
    assert {word: found for word, found in meanings.items() if len(found) > 1} == {}


@pytest.mark.parametrize("lexicon", lexicons(), ids=by_language)
def test_a_lexicon_has_only_tables_that_are_read(lexicon: Lexicon) -> None:
    assert lexicon.tables.keys() <= TABLES
    assert lexicon.tables["stop"].keys() <= {*KINDS, "breaks"}
    numbers = {str(number) for number in range(LINES_MAX + 1)}
    assert lexicon.tables["numbers"].keys() <= {*numbers, "endings", "pronouns", "double", "triple"}


@pytest.mark.parametrize("table", [table for table in KINDS if table not in {"fillers", "articles"}])
def test_no_word_does_two_things_in_a_stop(table: str) -> None:
    """What only fills is looked at last, so that it may stand in another table too."""
    own = {lowercase_words(spelling) for spelling in spellings("stop", table)}
    others = {other for other in KINDS if other not in {table, "fillers", "articles"}}
    shared = {other: own & {lowercase_words(spelling) for spelling in spellings("stop", other)} for other in others}
    assert {other: said for other, said in shared.items() if said} == {}


def test_a_translator_adds_spellings_of_a_stop_in_one_table() -> None:
    assert all(lexicon.tables["stop"]["verbs"] for lexicon in lexicons())
    assert all(opt_out_request(verb) is OptOutScope.ALL for verb in spellings("stop", "verbs"))
    assert all(opt_out_request(phrase) is OptOutScope.ALL for phrase in spellings("stop", "phrases"))
