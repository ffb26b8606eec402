"""What the image leaves out, the bot does without."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.e2e.world import ROOT

MODULES = [ROOT / "main.py", *sorted((ROOT / "onboarding_bot").rglob("*.py"))]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_twilios_rest_client_is_not_needed(path: Path) -> None:
    imported = {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [])
        + ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
    }
    assert not any(str(name).startswith("twilio.rest") for name in imported)
