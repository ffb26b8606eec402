"""The pages of the project, cut into what the tests compare with the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "simulator" / "README.md"],
    key=lambda page: page.relative_to(ROOT).as_posix(),
)
_FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)


@cache
def text_of(page: Path) -> str:
    return page.read_text()


def without_code_blocks(page: Path) -> str:
    return _FENCE.sub("", text_of(page))


def code_blocks(page: Path) -> list[str]:
    return _FENCE.findall(text_of(page))


def section(page: Path, heading: str) -> str:
    """What stands between a heading of the second level and the next one."""
    _, found, rest = text_of(page).partition(f"\n## {heading}\n")
    assert found, f"{page.name} has no section {heading}"
    return rest.partition("\n## ")[0]


def rows(text: str) -> Iterator[list[str]]:
    """The rows of every table in ``text``, without their heads."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        is_row = line.startswith("|") and not line.startswith(("|---", "| ---"))
        is_head = number + 1 < len(lines) and lines[number + 1].startswith(("|---", "| ---"))
        if is_row and not is_head:
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def named(page: Path) -> str:
    """The page's name for a test's id."""
    return page.relative_to(ROOT).as_posix()
