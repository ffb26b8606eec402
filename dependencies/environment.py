"""Makes the Python environment ``.venv``, and then becomes a program in it: how ``deploy.sh`` runs anything in Python.

Called as ``environment.py [--quiet] LOCK_FILE [ARGUMENTS OF PYTHON]``. It runs before anything is installed, so it
needs the standard library alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
# An installation that was cut short leaves this file; there is nothing to build on then.
UNFINISHED = VENV / ".unfinished"
LOG = Path("var", "log", "setup.log")
LOCK = Path("var", "setup.lock")
# Each contains the ones before it, so an environment made from a later one serves the earlier ones too.
LOCKS = ("requirements.lock", "requirements-demo.lock", "requirements-dev.lock")
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class SetupError(Exception):
    """The environment cannot be made; the message is one line for whoever called deploy.sh."""


def main(arguments: Sequence[str]) -> int:
    """Make the environment for a lock file, and replace this process by Python in it if it gets arguments."""
    is_quiet = arguments[0] == "--quiet"
    name, *program = arguments[1:] if is_quiet else arguments
    end_on_signals()
    try:
        prepare(name, sys.stderr if is_quiet else sys.stdout)
    except SetupError as error:
        print(f"deploy.sh: {error}", file=sys.stderr)
        return 1
    if program:
        os.execv(PYTHON, [str(PYTHON), *program])  # noqa: S606 - no shell is wanted
    return 0


def prepare(name: str, out: IO[str]) -> None:
    """Make or complete the environment for a lock file; does nothing when it is ready. Raises SetupError."""
    if is_ready(name):
        return
    LOG.parent.mkdir(parents=True, exist_ok=True)
    # One set-up at a time in this folder.
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_ready(name):
            print(f"Installing {name} into {VENV} (about a minute, once)", file=out, flush=True)
            _install(name)


def is_ready(name: str) -> bool:
    """Whether the environment holds what the lock file names: it was finished for it or for one that contains it."""
    return any(_is_finished(larger) for larger in LOCKS[LOCKS.index(name) :]) and _works()


def fingerprint(name: str) -> str:
    """The hash of a lock file with those that it contains."""
    return hashlib.sha256(b"".join(Path(part).read_bytes() for part in LOCKS[: LOCKS.index(name) + 1])).hexdigest()


def stamp_of(name: str) -> Path:
    """The file that says for which fingerprint of the lock file the environment was finished."""
    return VENV / f".installed-{name}"


def run_endable(command: Sequence[str], out: IO[bytes] | None = None) -> int:
    """The exit code of a command that ends, with all that it started, when a signal ends this process."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=out and subprocess.STDOUT, process_group=0
    ) as process:
        try:
            return process.wait()
        # A signal arrives as SystemExit, which is no Exception: what was started must not outlive it.
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise


def end_on_signals() -> None:
    """End with the exit code that a shell has for a signal, after what runs in ``run_endable``."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _frame: object) -> None:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def _works() -> bool:
    """Whether the environment's Python runs: the one that it was made from may have gone."""
    if Path(sys.prefix) == VENV.absolute():
        return True
    return PYTHON.exists() and subprocess.run([PYTHON, "-c", ""], check=False).returncode == 0


def _is_finished(name: str) -> bool:
    stamp = stamp_of(name)
    return stamp.is_file() and stamp.read_text().strip() == fingerprint(name)


def _install(name: str) -> None:
    with LOG.open("wb") as log:
        if UNFINISHED.exists() or not _works():
            shutil.rmtree(VENV, ignore_errors=True)
        VENV.mkdir(exist_ok=True)
        UNFINISHED.touch()
        if not PYTHON.exists() and run_endable([_base_python(), "-m", "venv", str(VENV)], log):
            raise SetupError(f"the environment {VENV} could not be made; the reason stands in {LOG}")
        os.environ.setdefault("PIP_RETRIES", "2")
        pip = [str(PYTHON), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        if run_endable([*pip, "--require-hashes", "--only-binary", ":all:", "--requirement", name], log):
            raise SetupError(f"{name} could not be installed: is PyPI within reach? The details stand in {LOG}")
    stamp_of(name).write_text(f"{fingerprint(name)}\n")
    UNFINISHED.unlink()


def _base_python() -> str:
    """The Python to make an environment from; this process may run in the one that is made anew."""
    return sys.executable if sys.prefix == sys.base_prefix else str(Path(sys.base_prefix, "bin", "python3"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
