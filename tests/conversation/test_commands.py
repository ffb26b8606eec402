"""Which words are commands, which are yes and no, and that none of them means two things."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding_bot.conversation.commands import (
    CONTINUE,
    NO,
    NO_SIGNS,
    POLITENESS,
    SPELLINGS,
    YES,
    YES_SIGNS,
    Command,
    find_command,
    is_continue,
    is_no,
    is_yes,
)
from onboarding_bot.conversation.text_normalization import lowercase_words

COMMANDS = [(spelling, command) for command, table in SPELLINGS.items() for spelling in table]


def test_every_command_has_spellings() -> None:
    assert SPELLINGS.keys() == set(Command)
    assert all(spelling for table in (*SPELLINGS.values(), YES, NO, CONTINUE) for spelling in table)


@pytest.mark.parametrize(("spelling", "command"), COMMANDS)
def test_every_spelling_is_its_command(spelling: str, command: Command) -> None:
    for typed in (spelling, spelling.upper(), spelling.title(), f"  {spelling}!! ", f"{spelling} 🙏", f"*{spelling}*."):
        assert find_command(typed) is command, typed


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("Help me", Command.HELP, id="help me is help"),
        pytest.param("help me!!!", Command.HELP, id="help me with marks"),
        pytest.param("Please help", Command.HELP, id="please help"),
        pytest.param("help please sir", Command.HELP, id="help please sir"),
        pytest.param("Hello sir", Command.HELLO, id="hello sir"),
        pytest.param("Hi team MSMEBazaar", Command.HELLO, id="hi team"),
        pytest.param("ＨＥＬＰ", Command.HELP, id="full-width letters"),
        pytest.param("S\u200btop", Command.STOP, id="an invisible space"),
        pytest.param("STOP\n", Command.STOP, id="a line break behind it"),
        pytest.param("re-start", None, id="a hyphen makes two words"),
        pytest.param("Start Up Services", None, id="Start Up Services"),
        pytest.param("Hello World Traders", None, id="Hello World Traders"),
        pytest.param("stop the bus", None, id="stop the bus"),
        pytest.param("Help me find a supplier", None, id="more than a call for help"),
        pytest.param("Back Office Services", None, id="Back Office Services"),
        pytest.param("start1", None, id="with a digit"),
        pytest.param("hi5", None, id="hi5"),
        pytest.param("please", None, id="politeness alone"),
        pytest.param("sir ji", None, id="politeness twice"),
        pytest.param("Asha Devi", None, id="a name"),
        pytest.param("1", None, id="a number"),
        pytest.param("", None, id="nothing"),
        pytest.param("!?", None, id="marks alone"),
        pytest.param("👍", None, id="a thumb"),
    ],
)
def test_a_command_stands_alone(text: str, command: Command | None) -> None:
    assert find_command(text) is command


@pytest.mark.parametrize("spelling", YES)
def test_spellings_of_yes(spelling: str) -> None:
    for typed in (spelling, spelling.upper(), f" {spelling}. ", f"{spelling}!"):
        assert is_yes(typed), typed
        assert not is_no(typed), typed


@pytest.mark.parametrize("spelling", NO)
def test_spellings_of_no(spelling: str) -> None:
    for typed in (spelling, spelling.upper(), f" {spelling}. ", f"{spelling}!"):
        assert is_no(typed), typed
        assert not is_yes(typed), typed


@pytest.mark.parametrize("spelling", CONTINUE)
def test_spellings_of_continue(spelling: str) -> None:
    assert is_continue(spelling.upper())
    assert not is_no(spelling)


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        pytest.param("👍", True, False, id="thumb up"),
        pytest.param("👍🏽", True, False, id="thumb up with a skin tone"),
        pytest.param("✔️", True, False, id="tick with its variation selector"),
        pytest.param("👎", False, True, id="thumb down"),
        pytest.param("👎🏿", False, True, id="thumb down with a skin tone"),
        pytest.param("❌", False, True, id="cross"),
        pytest.param("👍👎", False, False, id="both thumbs"),
        pytest.param("👍 but", False, False, id="a thumb and a word"),
        pytest.param("🙂", False, False, id="another emoji"),
        pytest.param("yes but no", False, False, id="both words"),
        pytest.param("not sure", False, False, id="not sure"),
        pytest.param("yesterday", False, False, id="a word that begins so"),
        pytest.param("", False, False, id="nothing"),
        pytest.param("1", False, False, id="a number"),
    ],
)
def test_yes_and_no(text: str, yes: bool, no: bool) -> None:
    assert (is_yes(text), is_no(text)) == (yes, no)


def test_no_spelling_means_two_things() -> None:
    tables = {command.value: table for command, table in SPELLINGS.items()}
    tables |= {"yes": YES, "no": NO, "continue": CONTINUE}
    said = {meaning: {lowercase_words(spelling) for spelling in table} for meaning, table in tables.items()}
    shared = {
        (one, other): said[one] & said[other]
        for one, other in itertools.combinations(said, 2)
        if said[one] & said[other]
    }
    assert shared == {}
    assert not YES_SIGNS & NO_SIGNS


def test_no_spelling_stands_in_its_table_twice() -> None:
    for table in (*SPELLINGS.values(), YES, NO, CONTINUE, POLITENESS):
        assert len(table) == len(set(table)), sorted(spelling for spelling in table if table.count(spelling) > 1)


@given(text=st.text(max_size=60))
@settings(deadline=None, max_examples=200)
def test_any_text_is_at_most_one_of_yes_and_no(text: str) -> None:
    find_command(text)
    is_continue(text)
    assert not (is_yes(text) and is_no(text))
