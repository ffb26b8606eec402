"""Every link leads somewhere, and every file, heading and test that the documents name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, named, text_of, without_code_blocks

# Pictures that the browser test takes.
PICTURES = {ROOT / "docs" / "chat.png", ROOT / "docs" / "chat-phone.png"}
# What a path in a document may be relative to.
HOMES = (ROOT, ROOT / "onboarding_bot")
MADE_AT_RUN_TIME = (".venv", "var")
SUFFIXES = (".py", ".md", ".toml", ".txt", ".lua", ".po", ".sh", ".yaml", ".yml", ".conf", ".json")


def links(page: Path) -> list[str]:
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code_blocks(page))
    return [target for target in targets if "://" not in target]


def anchors(page: Path) -> set[str]:
    """The ids that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", without_code_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists() or target in PICTURES, link
        if anchor:
            assert anchor in anchors(target), link


def test_the_documents_have_links_paths_and_tests_to_be_looked_at() -> None:
    """Where nothing is found any more, the other tests here would be satisfied with everything."""
    assert sum(len(links(page)) for page in PAGES) > 50
    assert sum(len(paths_in(page)) for page in PAGES) > 50


def paths_in(page: Path) -> set[str]:
    spans = re.findall(r"`([\w./-]+)(?:::\w+)?`", without_code_blocks(page))
    looks_like_a_path = {span for span in spans if span.endswith(SUFFIXES) or ("/" in span and span[0] not in "/.")}
    return {path for path in looks_like_a_path if not path.startswith(MADE_AT_RUN_TIME)}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_that_are_named_exist(page: Path) -> None:
    homes = (*HOMES, page.parent)
    assert [path for path in sorted(paths_in(page)) if not any((home / path).exists() for home in homes)] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_tests_that_are_named_exist(page: Path) -> None:
    for path, name in re.findall(r"`([\w./-]+\.py)::(\w+)`", text_of(page)):
        assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"
