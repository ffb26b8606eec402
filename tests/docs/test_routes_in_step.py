"""README describes every endpoint of the app, and no example calls anything else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from tests.docs.pages import PAGES, ROOT, code_blocks, named, section

README = ROOT / "README.md"


def endpoints(app: Flask) -> set[tuple[str, str]]:
    return {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_every_endpoint_has_its_heading(app: Flask) -> None:
    headings = re.findall(r"^### (.*)$", section(README, "HTTP API"), re.MULTILINE)
    described = {tuple(match) for heading in headings for match in re.findall(r"([A-Z]+) (/[\w/-]*)", heading)}
    assert described == endpoints(app)


def test_every_endpoint_has_an_example(app: Flask) -> None:
    called = set(re.findall(r'curl .*?"\$BOT(/[\w/-]+)"', section(README, "HTTP API"), re.DOTALL))
    assert called == {path for _, path in endpoints(app)}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_examples_call_real_endpoints(app: Flask, page: Path) -> None:
    calls = [line for block in code_blocks(page) for line in block.splitlines() if line.strip().startswith("curl")]
    called = {path for line in calls for path in re.findall(r"\$BOT(/[\w/-]+)", line)}
    assert called <= {path for _, path in endpoints(app)}
