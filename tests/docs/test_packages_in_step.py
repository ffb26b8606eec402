"""Every package that is installed on purpose has its line in CONTRIBUTING.md, with its licence."""

from __future__ import annotations

import json
import re
from importlib.metadata import metadata

import pytest

from tests.docs.pages import ROOT, rows, section

LICENCES = {row[0]: row[2] for row in rows(section(ROOT / "CONTRIBUTING.md", "Dependencies"))}


# What comes by npm states its licence in the lock file.
NPM = {
    name.removeprefix("node_modules/"): package["license"]
    for file in ROOT.glob("tests/*/*/package-lock.json")
    for name, package in json.loads(file.read_text())["packages"].items()
    if name
}


def required() -> set[str]:
    lines = [line for file in ROOT.glob("requirements*.txt") for line in file.read_text().splitlines()]
    return {match[0] for line in lines if (match := re.match(r"[A-Za-z][\w.-]*", line))} | NPM.keys()


def test_every_package_has_its_line() -> None:
    assert set(LICENCES) == required()


@pytest.mark.parametrize("package", sorted(LICENCES))
def test_the_licence_is_the_one_that_the_package_states(package: str) -> None:
    stated = NPM.get(package) or str(metadata(package).json.get("license_expression", ""))
    if stated:
        assert LICENCES[package].lower().startswith(stated.lower())
