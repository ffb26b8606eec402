"""What docker-compose.yml starts, which `deploy` may have to start in the image of the release before."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.clones import PROJECT


@pytest.mark.parametrize(
    ("is_new", "started"),
    [(True, "-m onboarding_bot worker"), (False, "-m onboarding_bot.worker")],
    ids=["this release", "the release before"],
)
def test_a_worker_starts_under_the_name_that_its_image_knows(tmp_path: Path, is_new: bool, started: str) -> None:
    text = (PROJECT / "docker-compose.yml").read_text()
    block = re.search(
        r"\n  worker:\n.*?    command:\n      - sh\n      - -c\n      - \|\n((?:        .*\n)+)", text, re.DOTALL
    )
    assert block
    (tmp_path / "python").write_text('#!/bin/sh\necho "$*"\n')
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "onboarding_bot").mkdir()
    if is_new:
        (tmp_path / "onboarding_bot" / "__main__.py").touch()
    path = f"{tmp_path}:{os.environ['PATH']}"
    told = subprocess.run(
        ["sh", "-c", block[1]], cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout == f"{started}\n"
