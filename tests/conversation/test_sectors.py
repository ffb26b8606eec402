"""The twelve sectors: their order, what leads to each of them, and what must not."""

from __future__ import annotations

import pytest

from onboarding_bot.conversation.commands import find_command, is_no, is_yes
from onboarding_bot.conversation.sectors import ALIASES as ALIASES_OF_EACH
from onboarding_bot.conversation.sectors import SECTORS, Sector, find_sector

ALIASES = [(alias, sector) for sector, aliases in ALIASES_OF_EACH.items() for alias in aliases]


def test_the_twelve_in_their_order() -> None:
    assert [sector.value for sector in SECTORS] == [
        "Manufacturing",
        "Services",
        "Technology",
        "Healthcare",
        "Education",
        "Agriculture",
        "Retail",
        "Construction",
        "Food & Beverage",
        "Textile",
        "Automotive",
        "Other",
    ]


def test_every_sector_has_other_words_for_it() -> None:
    assert all(ALIASES_OF_EACH[sector] for sector in Sector)
    assert all(alias for alias, _ in ALIASES)


@pytest.mark.parametrize(("alias", "sector"), ALIASES)
def test_every_alias_leads_to_its_sector(alias: str, sector: Sector) -> None:
    for typed in (alias, alias.upper(), f" {alias}. "):
        assert find_sector(typed) is sector, typed


def test_no_alias_leads_to_two_sectors() -> None:
    names = [alias for alias, _ in ALIASES] + [sector.value.casefold() for sector in SECTORS]
    assert len(names) == len(set(names))


def test_no_alias_is_a_command_or_a_yes_or_a_no() -> None:
    for name in (*(alias for alias, _ in ALIASES), *(sector.value for sector in SECTORS)):
        assert find_command(name) is None, name
        assert not is_yes(name), name
        assert not is_no(name), name


@pytest.mark.parametrize("text", ["", " ", "&", "no", "cat", "it is", "id", "agr", "x" * 1000, "🙂", "and"])
def test_words_that_lead_nowhere(text: str) -> None:
    assert find_sector(text) is None


@pytest.mark.parametrize("sector", SECTORS)
def test_one_letter_left_out_of_a_long_name_is_forgiven(sector: Sector) -> None:
    name = sector.value
    misspelt = [name[:gap] + name[gap + 1 :] for gap in range(1, len(name))]
    if len(name) >= 6:
        assert [find_sector(text) for text in misspelt] == [sector] * len(misspelt)
