"""README describes every endpoint of the app, and no example calls anything else; pages are for browsers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from tests.docs.pages import PAGES, ROOT, code_blocks, named, section

README = ROOT / "README.md"
# The documents write {id} in headings and $ID in examples for what a route calls <broadcast_id>.
ID = re.compile(r"<\w+>|\$ID\b")


def endpoints(app: Flask) -> set[tuple[str, str]]:
    return {
        (method, ID.sub("{id}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith("/dashboard/")
    }


def called_in(text: str) -> set[str]:
    """The paths that examples call, without their queries."""
    return {ID.sub("{id}", path) for path in re.findall(r"\$BOT(/[\w/$.-]+)", text)}


def test_every_endpoint_has_its_heading(app: Flask) -> None:
    headings = re.findall(r"^### (.*)$", section(README, "HTTP API"), re.MULTILINE)
    described = {tuple(match) for heading in headings for match in re.findall(r"([A-Z]+) (/[\w/{}.-]*)", heading)}
    assert described == endpoints(app)


def test_every_endpoint_has_an_example(app: Flask) -> None:
    examples = "\n".join(block for block in code_blocks(README) if "curl " in block)
    assert called_in(examples) == {path for _, path in endpoints(app)}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_examples_call_real_endpoints(app: Flask, page: Path) -> None:
    assert called_in("\n".join(code_blocks(page))) <= {path for _, path in endpoints(app)}
