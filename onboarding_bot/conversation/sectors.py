"""The twelve sectors, and how a message names one of them."""

from __future__ import annotations

from enum import StrEnum

from rapidfuzz import fuzz, process

from onboarding_bot.conversation.phrases import Phrases
from onboarding_bot.conversation.reply import TextRef
from onboarding_bot.conversation.text_normalization import lowercase_words
from onboarding_bot.languages.lexicon import Spellings, spellings

# Below this likeness a typing mistake and another word look the same; a name of fewer letters must be exact.
LIKENESS_PERCENT = 80
SHORTEST_GUESS = 4


class Sector(StrEnum):
    """The sectors in the order of their numbers; the values are what MSMEBazaar stores."""

    MANUFACTURING = "Manufacturing"
    SERVICES = "Services"
    TECHNOLOGY = "Technology"
    HEALTHCARE = "Healthcare"
    EDUCATION = "Education"
    AGRICULTURE = "Agriculture"
    RETAIL = "Retail"
    CONSTRUCTION = "Construction"
    FOOD_AND_BEVERAGE = "Food & Beverage"
    TEXTILE = "Textile"
    AUTOMOTIVE = "Automotive"
    OTHER = "Other"

    @property
    def text(self) -> TextRef:
        """The sector's name in the reader's language."""
        return TextRef(f"sector.{self.name.lower()}")


SECTORS = tuple(Sector)

ALIASES: dict[Sector, Spellings] = {sector: spellings("sectors", sector.value, "aliases") for sector in Sector}


def _normalized_name(text: str) -> str:
    return lowercase_words(text.replace("&", " and "))


_FILLERS = Phrases({"filler": (*spellings("choices", "around_a_sector"), *spellings("commands", "politeness"))})
_BY_NAME: dict[str, Sector] = {
    _normalized_name(name): sector for sector, aliases in ALIASES.items() for name in (sector.value, *aliases)
}
_NAMES = Phrases({sector: [name for name, named in _BY_NAME.items() if named is sector] for sector in Sector})


def find_sector(text: str) -> Sector | None:
    """The sector that ``text`` names, in any case and with small typing mistakes, or None."""
    name = _normalized_name(text)
    if name in _BY_NAME:
        return _BY_NAME[name]
    # Two names of one sector, as lists show it: "विनिर्माण (Manufacturing)".
    if len(named := set(_NAMES.kinds(name.split()) or ())) == 1:
        return Sector(named.pop())
    if len(name) < SHORTEST_GUESS:
        return None
    guess = process.extractOne(name, _BY_NAME.keys(), scorer=fuzz.ratio, score_cutoff=LIKENESS_PERCENT)
    return _BY_NAME[guess[0]] if guess else None


def find_sector_among_words(text: str) -> Sector | None:
    """The sector that ``text`` names, also with words around it that only say so: "Technology please"."""
    if sector := find_sector(text):
        return sector
    bare = " ".join(_FILLERS.words_outside(lowercase_words(text).split()))
    return find_sector(bare) if bare else None
