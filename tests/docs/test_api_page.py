"""docs/api.md is what its generator makes of the OpenAPI document."""

from __future__ import annotations

import re
import subprocess
import sys

from docs.generate_api import PAGE, page
from tests.docs.pages import ROOT
from tests.web.documented import DOCUMENT


def test_the_page_is_what_the_generator_writes() -> None:
    assert PAGE.read_text() == page(), "run: python docs/generate_api.py"


def test_every_operation_and_every_body_has_its_heading() -> None:
    headings = set(re.findall(r"^### (.+)$", PAGE.read_text(), re.MULTILINE))
    calls = {f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert headings == calls | DOCUMENT["components"]["schemas"].keys()


def test_the_generator_runs_from_anywhere() -> None:
    before = PAGE.stat().st_mtime_ns
    program = f"import runpy; runpy.run_path({str(ROOT / 'docs' / 'generate_api.py')!r}, run_name='tried')"
    subprocess.run([sys.executable, "-c", program], cwd="/", check=True, timeout=120)
    assert PAGE.stat().st_mtime_ns == before
