"""Extracts pincodes and phone numbers from a message that says more than the number."""

from __future__ import annotations

import re

from onboarding_bot.conversation.choices import spelt_out_digits
from onboarding_bot.conversation.phrases import Phrases
from onboarding_bot.conversation.text_normalization import lowercase_words, normalize
from onboarding_bot.languages.lexicon import spellings

PINCODE_DIGITS = 6
# How people group the digits of a pincode; another grouping, "12-3-456", is the number of a house.
_GROUPINGS = frozenset({(6,), (3, 3), (2, 2, 2), (1, 1, 1, 1, 1, 1)})
# From this many digits on a run is a phone number, or something that may be one.
PHONE_DIGITS = 10

# Digits with at most three spaces, dashes or dots between them.
_RUN = re.compile(r"(?<![0-9+₹$])[0-9](?:[ \-.]{0,3}[0-9])*(?![0-9])")
_WORD_BEFORE, _WORD_BEHIND = re.compile(r"[^\W\d_]+$"), re.compile(r"^[^\W\d_]+")
# A word of fewer letters that touches the digits is a mistyped digit, "56000l", and not a forgotten space.
_WORD_LETTERS = 3
_PHONE_RUN = re.compile(r"(?<![0-9+])(?:tel:|whatsapp:)?[+(\[]{0,2}[0-9](?:[ \-.()\[\]]{0,5}[0-9])*", re.IGNORECASE)
_NOT_DIGITS = re.compile(r"[^0-9]+")

_AROUND = "around"
_AROUND_PINCODE = Phrases({_AROUND: (*spellings("pincode", "around"), *spellings("commands", "politeness"))})
_AROUND_PHONE = Phrases(
    {
        _AROUND: (
            *spellings("phone", "around"),
            *spellings("commands", "politeness"),
            *spellings("answers", "thanks"),
        )
    }
)
# Stands for the pincode in a doubtful phrase of the lexicon.
_PINCODE_MARK = "#"
_DOUBTS = tuple(
    f" {' '.join(word if word == _PINCODE_MARK else lowercase_words(word) for word in doubt.split())} "
    for doubt in spellings("pincode", "doubts")
)


def pincodes_in(text: str) -> tuple[str, ...]:
    """Every pincode in ``text``, each once, also among the words of an address; none where the only one is in doubt."""
    line = normalize(text.replace("\n", ", "))
    if spelt := _spelt_out(line, _AROUND_PINCODE):
        return (spelt,) if _is_pincode(spelt) else ()
    found: dict[str, None] = {}
    around: list[str] = []
    end = 0
    for run in _RUN.finditer(line):
        pincode = _pincode_of(run[0]) if _stands_apart(line, run) else None
        around += [lowercase_words(line[end : run.start()]), _PINCODE_MARK if pincode else ""]
        end = run.end()
        if pincode:
            found[pincode] = None
    around.append(lowercase_words(line[end:]))
    words = f" {' '.join(' '.join(around).split())} "
    is_doubtful = len(found) == 1 and any(doubt in words for doubt in _DOUBTS)
    return () if is_doubtful else tuple(found)


def strip_pincode_words(text: str) -> str:
    """The digits of a message whose words only say that they are a pincode; any other message as a normalised line."""
    line = normalize(text)
    words = [word for word in lowercase_words(line).split() if not word.isdigit()]
    return _NOT_DIGITS.sub(" ", line) if words and _AROUND_PINCODE.kinds(words) else line


def phones_in(text: str) -> tuple[str, ...]:
    """Every run of digits in ``text`` that is written like a phone number, where its words say nothing else."""
    line = normalize(text)
    if spelt := _spelt_out(line, _AROUND_PHONE):
        return (spelt,)
    runs = list(_PHONE_RUN.finditer(line))
    around = lowercase_words(_PHONE_RUN.sub(" ", line)).split()
    if not all(_stands_apart(line, run) for run in runs) or _AROUND_PHONE.kinds(around) is None:
        return ()
    return tuple(run[0] for run in runs)


def _stands_apart(line: str, run: re.Match[str]) -> bool:
    before, behind = _WORD_BEFORE.search(line[: run.start()]), _WORD_BEHIND.search(line[run.end() :])
    return all(word is None or len(word[0]) >= _WORD_LETTERS for word in (before, behind))


def _pincode_of(run: str) -> str | None:
    """The one pincode in a run of digits; the number of a house may stand beside it."""
    groups = re.findall(r"[0-9]+", run)
    if tuple(map(len, groups)) in _GROUPINGS:
        digits = "".join(groups)
        return digits if _is_pincode(digits) else None
    whole = [group for group in groups if _is_pincode(group)]
    return whole[0] if len(whole) == 1 and sum(map(len, groups)) < PHONE_DIGITS else None


def _is_pincode(digits: str) -> bool:
    return len(digits) == PINCODE_DIGITS and digits[0] != "0"


def _spelt_out(line: str, around: Phrases) -> str | None:
    """The digits of a message that spells them out in words."""
    kept = around.words_outside(lowercase_words(line).split())
    return spelt_out_digits(kept) if any(not word.isdigit() for word in kept) else None
