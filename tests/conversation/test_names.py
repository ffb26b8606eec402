"""Which texts are names, which are none, and which are asked about; with the rates on texts that tuned nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onboarding_bot.conversation.commands import find_command
from onboarding_bot.conversation.names import Verdict, read_name

DATA = Path(__file__).parents[1] / "data"
# Of every group each third line is kept out of tuning: nobody looks at it when words are added to the lexicons.
EVERY, KEPT_OUT = 3, 2
# The languages whose words the lexicons have by now.
WITH_A_LEXICON = ("English", "Hinglish", "Hindi")


def groups(file: str) -> dict[str, list[str]]:
    """The lines of a file under its headings."""
    found: dict[str, list[str]] = {"": []}
    for line in (DATA / file).read_text().splitlines():
        if line.startswith("["):
            found[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            found[next(reversed(found))].append(line)
    return {name: lines for name, lines in found.items() if lines}


def parts(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The lines that words were chosen by, and those that were kept out."""
    yield "tuned by", [line for number, line in enumerate(lines) if number % EVERY != KEPT_OUT]
    yield "kept out", [line for number, line in enumerate(lines) if number % EVERY == KEPT_OUT]


NAMES = groups("names.txt")[""]
NO_NAMES = groups("no_names.txt")


def is_taken_as_given(text: str) -> bool:
    reading = read_name(text)
    return find_command(text) is None and reading.verdict is Verdict.NAME and reading.name == text


def is_kept(text: str) -> bool:
    return find_command(text) is None and read_name(text).verdict is Verdict.NAME


def test_there_is_enough_to_measure_by() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 400
    assert sum(map(len, NO_NAMES.values())) >= 300
    assert len(NO_NAMES) >= 13


@pytest.mark.parametrize(("part", "lines"), list(parts(NAMES)), ids=["tuned by", "kept out"])
def test_names_are_taken_as_they_are_given(part: str, lines: list[str]) -> None:
    asked = [line for line in lines if not is_taken_as_given(line)]
    assert len(asked) <= 0.01 * len(lines), (part, asked)


@pytest.mark.parametrize("change", [str.lower, str.upper], ids=["lower case", "capitals"])
def test_names_are_taken_however_they_are_typed(change: Callable[[str], str]) -> None:
    typed = [change(line) for line in NAMES]
    asked = [line for line in typed if not is_taken_as_given(line)]
    assert len(asked) <= 0.03 * len(typed), asked


@pytest.mark.parametrize(
    ("part", "lines"),
    [
        pytest.param(part, lines, id=f"{language}, {part}")
        for language in WITH_A_LEXICON
        for part, lines in parts(NO_NAMES[language])
    ],
)
def test_what_is_no_name_is_not_kept_as_one(part: str, lines: list[str]) -> None:
    kept = [line for line in lines if is_kept(line)]
    assert len(kept) <= 0.05 * len(lines), (part, kept)


def test_many_more_that_are_no_names_are_not_kept() -> None:
    lines = groups("more_no_names.txt")[""]
    # Digits are refused before anybody reads words.
    kept = [line for line in lines if is_kept(line) and not any(character.isdigit() for character in line)]
    assert len(lines) > 700
    assert len(kept) <= 0.02 * len(lines), kept


def test_phrases_of_other_languages_are_asked_about() -> None:
    """Whatever the language: three Latin words that nobody knows from names are not kept without asking."""
    lines = [line for group in NO_NAMES.values() for line in group if line.isascii() and len(line.split()) > 2]
    kept = [line for line in lines if is_kept(line)]
    assert len(kept) <= 0.05 * len(lines), kept


@pytest.mark.parametrize(
    "name",
    [
        *("Noor", "Naina Devi", "Endla Rao", "Om", "Mana Patil", "Hari Om"),
        *("Mala", "Amar Singh", "Happy Singh", "Will Fernandes", "Sanjay Ramdas Ware"),
    ],
)
def test_names_that_sound_like_something_else(name: str) -> None:
    assert is_taken_as_given(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("My name is Asha Verma", "Asha Verma", id="my name is"),
        pytest.param("Hi, my name is Ravi Kumar.", "Ravi Kumar", id="after a greeting"),
        pytest.param("mera naam Ravi Kumar hai", "Ravi Kumar", id="Hindi in Latin letters"),
        pytest.param("मेरा नाम सुनीता देवी है", "सुनीता देवी", id="Hindi"),
        pytest.param("I'm Dr. S. K. Iyer", "Dr. S. K. Iyer", id="I am, with a title"),
        pytest.param("I am Ravi from Surat", "Ravi", id="what follows is no part of it"),
        pytest.param("this is Ramesh Patel", "Ramesh Patel", id="this is"),
        pytest.param("Name: Asha Devi", "Asha Devi", id="a form filled in"),
        pytest.param("my name is Lalrinmawii Hmar Zote", "Lalrinmawii Hmar Zote", id="names that are not on the list"),
    ],
)
def test_the_name_is_taken_out_of_what_introduces_it(text: str, name: str) -> None:
    reading = read_name(text)
    assert (reading.verdict, reading.name) == (Verdict.NAME, name)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        pytest.param("aa fraud to nathi ne", Verdict.DOUBTFUL, id="Gujarati in Latin letters"),
        pytest.param("Start Up Services", Verdict.DOUBTFUL, id="a business"),
        pytest.param("too costly", Verdict.NONE, id="two common words"),
        pytest.param("kal aana", Verdict.NONE, id="two common words of Hindi"),
        pytest.param("good morning", Verdict.NONE, id="a greeting"),
        pytest.param("I am busy", Verdict.NONE, id="busy"),
        pytest.param("I am a farmer", Verdict.DOUBTFUL, id="a trade"),
        pytest.param("मैं किसान हूँ", Verdict.DOUBTFUL, id="a trade in Hindi"),
        pytest.param("Thank you for contacting Asha Stores", Verdict.NONE, id="an answer by itself"),
        pytest.param("n a", Verdict.DOUBTFUL, id="letters alone"),
        pytest.param("Khriehu Zuvichu", Verdict.NAME, id="two words that nobody knows"),
        pytest.param("Qxywl", Verdict.NAME, id="a word that nobody knows"),
    ],
)
def test_what_a_text_is(text: str, verdict: Verdict) -> None:
    assert read_name(text).verdict is verdict


@pytest.mark.parametrize(
    "text", ["my name is " * 140 + "(", "hi " * 500 + "x", "a " * 800, "My name is " + "A " * 700 + "(", "?" * 1600]
)
def test_a_long_text_is_read_at_once(text: str) -> None:
    assert read_name(text).verdict is not Verdict.NAME
