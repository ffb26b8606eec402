"""README's table and .env.example name every setting, with its default, and nothing else."""

from __future__ import annotations

import re
from dataclasses import fields

from onboarding_bot.config import Settings, setting_names
from tests.docs.pages import ROOT, rows, section

NEEDED, NONE = "needed", "none"


def test_readme_names_every_setting_in_its_order() -> None:
    named = [row[0].strip("`") for row in rows(section(ROOT / "README.md", "Settings"))]
    assert named == setting_names()


def test_readme_names_every_default() -> None:
    named = {row[0].strip("`"): row[1].strip("`") for row in rows(section(ROOT / "README.md", "Settings"))}
    defaults = {
        setting.metadata["name"]: setting.metadata["default"] or (NEEDED if setting.metadata["needed_in"] else NONE)
        for setting in fields(Settings)
    }
    assert named == defaults


def names_in_example() -> list[str]:
    return re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE)


def test_the_example_names_every_setting_once() -> None:
    names = names_in_example()
    assert [name for name in names if name in setting_names()] == setting_names()
    assert len(names) == len(set(names))


def test_what_else_the_example_names_is_read_by_somebody() -> None:
    readers = ("docker-compose.yml", "onboarding_bot/config.py", "simulator/settings.py")
    read = "\n".join((ROOT / reader).read_text() for reader in readers)
    others = set(names_in_example()) - set(setting_names())
    assert [name for name in sorted(others) if not re.search(rf"\b{name}\b", read)] == []
