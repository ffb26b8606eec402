"""The texts in all languages: loaded from ``messages.po``, compared with each other, and filled with values."""

from __future__ import annotations

import gettext
import io
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polib

from onboarding_bot.errors import CatalogueError
from onboarding_bot.languages import CATALOGUE, FOLDER, REFERENCE_LANGUAGE, languages_with_catalogue

# The value that chooses the plural form of a text.
COUNT = "count"
_PLURAL_FORMS = re.compile(r"nplurals *= *(\d+)")

# WhatsApp formats text between these signs; their look-alikes it only shows.
_LOOK_ALIKES = str.maketrans({"*": "∗", "_": "ˍ", "~": "∼", "`": "ˋ"})
# Characters that XML 1.0 forbids, line breaks, and those that change the direction of the text around them.
_UNPRINTABLE = re.compile(
    "[^\u0020-\u007e\u00a0-\u061b\u061d-\u1fff\u200c\u200d\u2010-\u2027\u2030-\u205f\u2070-\ud7ff"
    "\uf900-\ufffd\U00010000-\U0010ffff]"
)


def harmless(typed: str) -> str:
    """What a person typed, safe to repeat: nothing in it formats text, breaks the line or breaks XML."""
    return _UNPRINTABLE.sub(" ", typed).translate(_LOOK_ALIKES).strip()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The texts of one language; ``placeholders`` names each text's, ``plurals`` are those with plural forms."""

    language: str
    translations: gettext.NullTranslations
    placeholders: Mapping[str, frozenset[str]]
    plurals: frozenset[str]

    def text(self, code: str, count: int) -> str:
        """The text of ``code``, in the plural form for ``count`` where it has several. Raises CatalogueError."""
        if code not in self.placeholders:
            raise CatalogueError(f"{self.language}: no text {code}")
        if code in self.plurals:
            return self.translations.ngettext(code, code, count)
        return self.translations.gettext(code)


class Texts:
    """All catalogues. ``standing`` are values that every text may use, such as the support contact.

    Raises CatalogueError that lists all differences between the languages.
    """

    def __init__(self, standing: Mapping[str, str], default_language: str, folder: Path = FOLDER) -> None:
        self._standing = standing
        self._default = default_language
        self._catalogues = {
            language: _parse(language, (folder / language / CATALOGUE).read_text(encoding="utf-8"))
            for language in languages_with_catalogue(folder)
        }
        faults = _differences(self._catalogues)
        if default_language not in self._catalogues:
            faults.append(f"there is no catalogue for {default_language}")
        if faults:
            raise CatalogueError("; ".join(faults))

    @property
    def languages(self) -> list[str]:
        """The languages that have a catalogue."""
        return list(self._catalogues)

    def render(self, code: str, values: Mapping[str, str | int], language: str | None = None) -> str:
        """The text of ``code`` with ``values`` filled in unchanged; a language without a catalogue gets the default.

        Raises CatalogueError for an unknown code or a missing value.
        """
        catalogue = self._catalogues.get(language or self._default, self._catalogues[self._default])
        text = catalogue.text(code, int(values.get(COUNT, 0)))
        try:
            return text.format_map({**self._standing, **values})
        except KeyError as missing:
            raise CatalogueError(f"{catalogue.language}: {code} lacks the value {missing}") from None


@cache
def _parse(language: str, text: str) -> Catalogue:
    """The catalogue in this text; parsed once in a process, which may build several apps."""
    entries = polib.pofile(text)
    forms = _plural_forms(entries)
    return Catalogue(
        language=language,
        translations=gettext.GNUTranslations(io.BytesIO(entries.to_binary())),
        placeholders={entry.msgid: _placeholders(entry) for entry in entries if _is_complete(entry, forms)},
        plurals=frozenset(entry.msgid for entry in entries if entry.msgid_plural),
    )


def _plural_forms(entries: polib.POFile) -> set[int]:
    """The plural forms that a text must have; without a rule gettext uses the two of English."""
    rule = _PLURAL_FORMS.search(entries.metadata.get("Plural-Forms", ""))
    return set(range(int(rule[1]) if rule else 2))


def _is_complete(entry: polib.POEntry, forms: set[int]) -> bool:
    return entry.translated() and (not entry.msgid_plural or entry.msgstr_plural.keys() == forms)


def _placeholders(entry: polib.POEntry) -> frozenset[str]:
    forms = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
    named = {name for form in forms for _, name, _, _ in string.Formatter().parse(form) if name is not None}
    return frozenset(named | {COUNT} if entry.msgid_plural else named)


def _differences(catalogues: Mapping[str, Catalogue]) -> list[str]:
    reference = catalogues[REFERENCE_LANGUAGE]
    faults = []
    for language, catalogue in catalogues.items():
        for code in sorted(reference.placeholders.keys() ^ catalogue.placeholders.keys()):
            faults.append(f"{code} is not in both {REFERENCE_LANGUAGE} and {language}")
        for code in sorted(reference.placeholders.keys() & catalogue.placeholders.keys()):
            if reference.placeholders[code] != catalogue.placeholders[code]:
                faults.append(f"{code} has other placeholders in {language}")
            if (code in reference.plurals) != (code in catalogue.plurals):
                faults.append(f"{code} has plural forms in only one of {REFERENCE_LANGUAGE} and {language}")
    return faults
