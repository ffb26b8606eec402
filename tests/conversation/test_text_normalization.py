"""Text normalisation, before any rule reads a message."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding_bot.conversation.text_normalization import lowercase_words, normalize, single_line


@pytest.mark.parametrize(
    ("written", "line"),
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
def test_single_line(written: str, line: str) -> None:
    assert single_line(written) == line


@pytest.mark.parametrize(
    ("written", "normalized"),
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
def test_normalize(written: str, normalized: str) -> None:
    assert normalize(written) == normalized


@pytest.mark.parametrize(
    ("written", "words"),
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
def test_lowercase_words(written: str, words: str) -> None:
    assert lowercase_words(written) == words


@given(text=st.text(max_size=80))
@settings(deadline=None, max_examples=200)
def test_lines_stay_as_they_are_and_hold_no_white_space_but_single_spaces(text: str) -> None:
    for function in (single_line, normalize, lowercase_words):
        line = function(text)
        assert " ".join(line.split()) == line
    assert single_line(single_line(text)) == single_line(text)
    assert all(character in "0123456789" for character in normalize(text) if character.isdecimal())
    assert lowercase_words(text.upper()) == lowercase_words(lowercase_words(text.upper()))
