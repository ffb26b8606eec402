"""The documents name every verb of deploy.sh, and none that it does not have."""

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
