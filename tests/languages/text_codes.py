"""The codes of all texts, as the English catalogue lists them, with the placeholders of each."""

from __future__ import annotations

import string

import polib

from onboarding_bot.languages import FOLDER, REFERENCE_LANGUAGE
from onboarding_bot.languages.catalogue import COUNT


def placeholders_by_code() -> dict[str, frozenset[str]]:
    entries = polib.pofile(str(FOLDER / REFERENCE_LANGUAGE / "messages.po"))
    return {entry.msgid: _placeholders(entry) for entry in entries}


def _placeholders(entry: polib.POEntry) -> frozenset[str]:
    forms = [entry.msgstr, *entry.msgstr_plural.values()]
    names = {name for form in forms for _, name, _, _ in string.Formatter().parse(form) if name}
    return frozenset(names | {COUNT} if entry.msgid_plural else names)
