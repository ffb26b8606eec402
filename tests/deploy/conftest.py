"""The clones that the tests of deploy.sh run in."""

from __future__ import annotations

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
