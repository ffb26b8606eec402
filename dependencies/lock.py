"""Makes the lock files from the readable lists: ``./deploy.sh lock`` runs it.

uv resolves the lists for every Python and platform at once, and keeps the versions that the lock files hold already,
unless ``--upgrade`` is given. Nothing is replaced before all of it is done, and every package is known to have a wheel
for each Python and platform that the bot runs on: what is installed is what was hashed, and nothing is built.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

from dependencies.environment import LOCKS
from dependencies.lock_files import LISTS, lock_of

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28")
_UV = (sys.executable, "-m", "uv", "pip")
_WHEELS_ONLY = ("--only-binary", ":all:")
# One version for all Pythons where there is one: what is tested on one of them is what runs on the others.
_RESOLUTION = (
    *("--universal", "--python-version", PYTHONS[0], "--fork-strategy", "fewest"),
    *("--generate-hashes", *_WHEELS_ONLY, "--custom-compile-command", "./deploy.sh lock"),
)


def lock(folder: Path, *, upgrade: bool) -> None:
    """Make the lock file of every list in ``folder`` there, or none of them.

    A package of a smaller list has the same version in the larger ones: tools never decide what runs in production.
    Raises CalledProcessError when uv finds no versions or no wheels; it has said why on standard error.
    """
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        for name in [*LISTS, *LOCKS]:
            if (folder / name).exists():
                shutil.copy(folder / name, work / name)
        _compile(work, LISTS[0], upgrade=upgrade)
        for smaller, larger in pairwise(LISTS):
            _compile(work, larger, "--constraint", lock_of(smaller), upgrade=upgrade)
        for python in PYTHONS:
            for platform in PLATFORMS:
                _require_wheels(work / LOCKS[-1], python, platform)
        for name in LOCKS:
            shutil.copyfile(work / name, folder / name)


def _compile(folder: Path, name: str, *options: str, upgrade: bool) -> None:
    chosen = [*_RESOLUTION, *options, *(["--upgrade"] if upgrade else [])]
    command = [*_UV, "compile", "--quiet", *chosen, "--output-file", lock_of(name), name]
    subprocess.run(command, cwd=folder, check=True)


def _require_wheels(path: Path, python: str, platform: str) -> None:
    print(f"looking for the wheels of Python {python} on {platform}", flush=True)
    wanted = ["--python-version", python, "--python-platform", platform, "--target", "nowhere"]
    options = ["--quiet", "--dry-run", "--require-hashes", *_WHEELS_ONLY, *wanted]
    subprocess.run([*_UV, "install", *options, "--requirement", path.name], cwd=path.parent, check=True)


def main() -> int:
    """Make the lock files of this project. Returns the exit code: 1 when a list cannot be locked."""
    parser = argparse.ArgumentParser(prog="./deploy.sh lock", description="Make the lock files from requirements*.txt.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that the lists allow")
    arguments = parser.parse_args()
    try:
        lock(ROOT, upgrade=arguments.upgrade)
    except subprocess.CalledProcessError:
        print("the lists could not be locked; the lock files are as they were", file=sys.stderr)
        return 1
    print(f"locked: {', '.join(LOCKS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
