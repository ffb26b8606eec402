"""The table of rooms in docs/architecture.md has the layers that import-linter enforces, in their order."""

from __future__ import annotations

import re
import tomllib

from tests.docs.pages import ROOT, rows, section


def layers() -> list[set[str]]:
    """The modules of each layer, the highest first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (written,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return [set(layer.split(" | ")) for layer in written]


def test_the_table_of_rooms_has_the_layers_in_their_order() -> None:
    named = [
        {path.removesuffix(".py").strip("/").replace("/", ".") for path in re.findall(r"`([^`]+)`", first)}
        for first, _ in rows(section(ROOT / "docs" / "architecture.md", "The rooms"))
    ]
    assert named == layers()
