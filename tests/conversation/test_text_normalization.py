"""What is made of typed text before anybody judges it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding_bot.conversation.text_normalization import one_line, plain, words


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        pytest.param("  a \t b\n\nc ", "a b c", id="white space"),
        pytest.param("a\u2028b\u00a0c", "a b c", id="white space of Unicode"),
        pytest.param("Jose\u0301", "José", id="composed"),
        pytest.param("a‐b‑c–d—e−f", "a-b-c-d-e-f", id="dashes"),
        pytest.param("D’S D‘S D`S D´S Dʼs", "D'S D'S D'S D'S D's", id="apostrophes"),
        pytest.param("क्\u200cष", "क्\u200cष", id="joiners stay"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_one_line(typed: str, line: str) -> None:
    assert one_line(typed) == line


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        pytest.param("५६० ००१", "560 001", id="Devanagari digits"),
        pytest.param("\uff15\uff16\uff10", "560", id="full-width digits"),
        pytest.param("٥٦٠", "560", id="Arabic-Indic digits"),
        pytest.param("5\u200b6\u200d0\ufeff", "560", id="invisible signs"),
        pytest.param("\u202a+91\u202c", "+91", id="direction marks"),
        pytest.param("7\ufe0f", "7", id="variation selector"),
        pytest.param("7\ufe0f\u20e3", "7", id="a keycap"),
        pytest.param("1\u20e3 2\ufe0f\u20e3", "1 2", id="keycaps of some phones"),
        pytest.param("\uff21\uff22", "AB", id="full-width letters"),
        pytest.param("፩", "፩", id="numbers that do not count in tens stay"),
    ],
)
def test_plain(typed: str, text: str) -> None:
    assert plain(typed) == text


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        pytest.param("Hi!! 👋", "hi", id="marks and emoji"),
        pytest.param("*HELP*", "help", id="formatting"),
        pytest.param("STRASSE Straße", "strasse strasse", id="case folded"),
        pytest.param("ok-ok", "ok ok", id="a hyphen parts words"),
        pytest.param("नमस्ते।", "नमस्ते", id="danda"),
        pytest.param("१ 2", "1 2", id="digits"),
        pytest.param("?!", "", id="nothing said"),
    ],
)
def test_words(typed: str, said: str) -> None:
    assert words(typed) == said


@given(text=st.text(max_size=80))
@settings(deadline=None, max_examples=200)
def test_lines_stay_as_they_are_and_hold_no_white_space_but_single_spaces(text: str) -> None:
    for make_plain in (one_line, plain, words):
        line = make_plain(text)
        assert " ".join(line.split()) == line
    assert one_line(one_line(text)) == one_line(text)
    assert all(character in "0123456789" for character in plain(text) if character.isdecimal())
    assert words(text.upper()) == words(words(text.upper()))
