"""The clones that the tests of deploy.sh run in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.clones import Clone, copy_project, end_processes, lend_packages


@pytest.fixture
def bare_clone(tmp_path: Path) -> Iterator[Clone]:
    """As after `git clone`: nothing is installed."""
    clone = copy_project(tmp_path)
    yield clone
    end_processes(clone)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A clone in which everything is installed."""
    clone = copy_project(tmp_path_factory.mktemp("clone"))
    lend_packages(clone)
    yield clone
    end_processes(clone)


@pytest.fixture(scope="session")
def ready_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables with which ``python -m venv`` links one that was made before: a new one is seconds of work."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder / "made"], check=True)
    (folder / "instead").mkdir()
    (folder / "instead" / "venv.py").write_text(f"""
if __name__ == "__main__":
    import os, shutil, sys
    shutil.copytree({str(folder / "made")!r}, sys.argv[1], symlinks=True, copy_function=os.link, dirs_exist_ok=True)
""")
    return {"PYTHONPATH": str(folder / "instead")}
