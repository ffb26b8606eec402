"""What stands in a lock file: every package that gets installed, with its version and the hashes of its files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from dependencies.environment import LOCKS

# The readable lists of what is needed directly. Each includes the ones before it.
LISTS = tuple(Path(lock).with_suffix(".txt").name for lock in LOCKS)
_HASH = re.compile(r"--hash=(\S+)")


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One package of a lock file: name, extras, version and marker, and the hashes that its files may have."""

    requirement: Requirement
    hashes: frozenset[str]


def lock_of(name: str) -> str:
    """The name of the lock file that is made from a readable list: ``requirements.lock`` for ``requirements.txt``."""
    return Path(name).with_suffix(".lock").name


def read_lock(path: Path) -> list[LockedPackage]:
    """The packages in a lock file, in its order; one that differs by platform or Python version stands there twice.

    Raises OSError when there is no such file, and InvalidRequirement when a line of it is none.
    """
    without_comments = re.sub(r"^\s*#.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = without_comments.replace("\\\n", " ").splitlines()
    return [_package(line) for line in lines if line.strip()]


def _package(line: str) -> LockedPackage:
    return LockedPackage(Requirement(_HASH.sub("", line).strip()), frozenset(_HASH.findall(line)))
