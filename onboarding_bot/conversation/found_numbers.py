"""Pincodes and mobile numbers in the middle of other words."""

from __future__ import annotations

import re

from onboarding_bot.conversation.choices import digits_spelt_out
from onboarding_bot.conversation.phrases import Phrases
from onboarding_bot.conversation.text_normalization import plain, words
from onboarding_bot.languages.lexicon import spellings

PINCODE_DIGITS = 6
# How the digits of a pincode are grouped; in another grouping, "12-3-456", they are the number of a house.
_GROUPINGS = frozenset({(6,), (3, 3), (2, 2, 2), (1, 1, 1, 1, 1, 1)})
# From this many digits on a run is a phone number, or something that may be one.
PHONE_DIGITS = 10

# Digits with no more than a space, a dash or a dot between them; a letter that sticks to them spoils them.
_RUN = re.compile(r"(?<![0-9+₹$])[0-9](?:[ \-.]{0,3}[0-9])*(?![0-9])")
_WORD_BEFORE, _WORD_BEHIND = re.compile(r"[^\W\d_]+$"), re.compile(r"^[^\W\d_]+")
# Shorter ones are no word that somebody forgot the space at, but a mistyped digit: "56000l".
_WORD_LETTERS = 3
_PHONE_RUN = re.compile(r"(?<![0-9+])(?:tel:|whatsapp:)?[+(\[]{0,2}[0-9](?:[ \-.()\[\]]{0,5}[0-9])*", re.IGNORECASE)
_NO_DIGIT = re.compile(r"[^0-9]+")

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
_PLACE = "#"
_DOUBTS = tuple(
    f" {' '.join(word if word == _PLACE else words(word) for word in doubt.split())} "
    for doubt in spellings("pincode", "doubts")
)


def pincodes_in(text: str) -> tuple[str, ...]:
    """Every pincode that ``text`` names, each once, whatever place is written around it; none where one is in doubt."""
    line = plain(text.replace("\n", ", "))
    if spelt := _spelt_out(line, _AROUND_PINCODE):
        return (spelt,) if _is_pincode(spelt) else ()
    found: dict[str, None] = {}
    around: list[str] = []
    end = 0
    for run in _RUN.finditer(line):
        pincode = _pincode_of(run[0]) if _stands_apart(line, run) else None
        around += [words(line[end : run.start()]), _PLACE if pincode else ""]
        end = run.end()
        if pincode:
            found[pincode] = None
    around.append(words(line[end:]))
    said = f" {' '.join(' '.join(around).split())} "
    is_doubtful = len(found) == 1 and any(doubt in said for doubt in _DOUBTS)
    return () if is_doubtful else tuple(found)


def without_pincode_words(text: str) -> str:
    """The digits of a message that says no more than that they are a pincode; any other message as it is."""
    line = plain(text)
    said = [word for word in words(line).split() if not word.isdigit()]
    return line if _AROUND_PINCODE.kinds(said) is None else _NO_DIGIT.sub(" ", line) if said else line


def phones_in(text: str) -> tuple[str, ...]:
    """Everything in ``text`` that is written like a number, where nothing else is said but that it is one."""
    line = plain(text)
    if spelt := _spelt_out(line, _AROUND_PHONE):
        return (spelt,)
    runs = list(_PHONE_RUN.finditer(line))
    around = words(_PHONE_RUN.sub(" ", line)).split()
    if not all(_stands_apart(line, run) for run in runs) or _AROUND_PHONE.kinds(around) is None:
        return ()
    return tuple(run[0] for run in runs)


def _stands_apart(line: str, run: re.Match[str]) -> bool:
    before, behind = _WORD_BEFORE.search(line[: run.start()]), _WORD_BEHIND.search(line[run.end() :])
    return all(word is None or len(word[0]) >= _WORD_LETTERS for word in (before, behind))


def _pincode_of(run: str) -> str | None:
    """The pincode in a run of digits; the number of a house may stand beside it."""
    groups = re.findall(r"[0-9]+", run)
    if tuple(map(len, groups)) in _GROUPINGS:
        digits = "".join(groups)
        return digits if _is_pincode(digits) else None
    whole = [group for group in groups if _is_pincode(group)]
    return whole[0] if len(whole) == 1 and sum(map(len, groups)) < PHONE_DIGITS else None


def _is_pincode(digits: str) -> bool:
    return len(digits) == PINCODE_DIGITS and digits[0] != "0"


def _spelt_out(line: str, around: Phrases) -> str | None:
    """The digits of a message that spells them in words."""
    kept = around.without(words(line).split())
    return digits_spelt_out(kept) if any(not word.isdigit() for word in kept) else None
