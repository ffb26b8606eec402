"""The documents name every verb of deploy.sh, and none that it does not have; the Makefile calls none that is not."""

from __future__ import annotations

import re
import subprocess

from tests.docs.pages import PAGES, ROOT, text_of


def verbs() -> set[str]:
    helped = subprocess.run(
        ["bash", "deploy.sh", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return set(re.findall(r"^  ([a-z]+)\b", helped.stdout, re.MULTILINE))


def test_documents_and_help_name_the_same_verbs() -> None:
    named = {verb for page in PAGES for verb in re.findall(r"\./deploy\.sh ([a-z]+)", text_of(page))}
    assert named == verbs()


def test_the_makefile_calls_verbs_that_there_are_and_explains_every_word() -> None:
    makefile = (ROOT / "Makefile").read_text()
    called = set(re.findall(r"^\t\./deploy\.sh ([a-z]+)", makefile, re.MULTILINE))
    assert called
    assert called <= verbs()
    words = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    assert re.findall(r"^([a-z]+):.* ## \S", makefile, re.MULTILINE) == words
    assert f"\n.PHONY: {' '.join(words)}\n" in makefile
