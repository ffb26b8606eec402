"""Every module of the bot says in its first line what it owns."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, named

MODULES = sorted((ROOT / "onboarding_bot").rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_a_module_opens_with_what_it_owns(module: Path) -> None:
    opening = ast.get_docstring(ast.parse(module.read_text()))
    assert opening, "it has no docstring"
    assert opening.splitlines()[0].endswith((".", "?")), "its first line is no sentence"
