"""Every package that is installed on purpose has its line in CONTRIBUTING.md, with its licence."""

from __future__ import annotations

import re
from importlib.metadata import metadata

import pytest

from tests.docs.pages import ROOT, rows, section

LICENCES = {row[0]: row[2] for row in rows(section(ROOT / "CONTRIBUTING.md", "Dependencies"))}


def required() -> set[str]:
    lines = [line for file in ROOT.glob("requirements*.txt") for line in file.read_text().splitlines()]
    return {match[0] for line in lines if (match := re.match(r"[A-Za-z][\w.-]*", line))}


def test_every_package_has_its_line() -> None:
    assert set(LICENCES) == required()


@pytest.mark.parametrize("package", sorted(LICENCES))
def test_the_licence_is_the_one_that_the_package_states(package: str) -> None:
    stated = metadata(package).get("License-Expression")
    if stated:
        assert LICENCES[package].lower().startswith(stated.lower())
