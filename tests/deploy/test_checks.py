"""`deploy.sh check`: each check by its name, and what is not installed is skipped or missed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import checks

GOOD, BAD = [sys.executable, "-c", ""], [sys.executable, "-c", "raise SystemExit(1)"]


@pytest.fixture(autouse=True)
def in_any_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's process keeps its own signal handlers."""
    monkeypatch.setattr(checks, "end_on_signals", lambda: None)
    monkeypatch.delenv("CI", raising=False)


def test_all_that_failed_is_named_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "CHECKS", {"style": [BAD], "types": [GOOD], "alerts": [GOOD, BAD]})
    assert checks.main() == 1
    told = capsys.readouterr()
    assert told.out == "== style\n== types\n== alerts\n"
    assert told.err == "deploy.sh: these checks failed: style, alerts\n"


def test_a_good_project_passes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(checks, "CHECKS", {"style": [GOOD], "types": [GOOD]})
    assert checks.main() == 0
    assert capsys.readouterr().out == "== style\n== types\nAll checks passed.\n"


@pytest.mark.parametrize(
    ("ci", "passes", "says"),
    [
        pytest.param("", True, "skipped: shellcheck is not installed (Debian: apt-get install shellcheck)", id="here"),
        pytest.param("true", False, "shellcheck is not installed, and CI must not go without it", id="in CI"),
    ],
)
def test_a_program_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    ci: str,
    passes: bool,
    says: str,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    assert checks.passes(checks.CHECKS["shell scripts"]) is passes
    assert says in "".join(capsys.readouterr())


def test_every_program_of_a_check_has_its_package() -> None:
    programs = {commands[0][0] for commands in checks.CHECKS.values()} - {sys.executable}
    assert programs == set(checks.PROGRAMS)
