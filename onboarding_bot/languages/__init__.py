"""The texts that the bot writes and the words that it understands: one folder for each language."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
CATALOGUE, LEXICON = "messages.po", "lexicon.toml"
REFERENCE_LANGUAGE = "en"


def languages_with_catalogue(folder: Path = FOLDER) -> list[str]:
    """The languages that the bot writes, by the names of their folders in the alphabet's order."""
    return sorted(path.parent.name for path in folder.glob(f"*/{CATALOGUE}"))


def languages_with_lexicon() -> list[str]:
    """The languages that the bot understands: English, then those in Latin letters, then all others."""
    found = [path.parent.name for path in FOLDER.glob(f"*/{LEXICON}")]
    return sorted(found, key=lambda name: (name != REFERENCE_LANGUAGE, not name.endswith("_Latn"), name))
