"""Lets a test that measures have the machine to itself, while pytest-xdist runs others beside it."""

from __future__ import annotations

import fcntl
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

MARK = "alone"


@contextmanager
def held(path: Path, operation: int) -> Iterator[None]:
    """Wait for a lock on this file, and hold it."""
    with path.open("w") as file:
        fcntl.flock(file, operation)
        yield


@contextmanager
def place(folder: Path, *, alone: bool) -> Iterator[None]:
    """One of many places on the machine, or all of it.

    Everybody passes the turnstile; whoever wants to be alone stays in it, so that nobody new comes in meanwhile.
    """
    with ExitStack() as until_alone:
        until_alone.enter_context(held(folder / "turnstile", fcntl.LOCK_EX))
        with held(folder / "machine", fcntl.LOCK_EX if alone else fcntl.LOCK_SH):
            until_alone.close()
            yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Every test takes its place, with all that it sets up."""
    base = item.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # pytest gives it to fixtures alone
    # Processes of one run have folders beside each other.
    folder = base.parent if hasattr(item.config, "workerinput") else base
    with place(folder, alone=item.get_closest_marker(MARK) is not None):
        return (yield)
