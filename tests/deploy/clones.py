"""Clones of the project in temporary folders, and ways to run their deploy.sh and to see what it started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import free_port

# Reached only when it never comes to that: a busy machine may take its time.
PATIENCE_SECONDS = 300
PROJECT = Path(__file__).parents[2]
SHIPPED = (
    "deploy.sh",
    "dependencies",
    "gunicorn.conf.py",
    "main.py",
    "onboarding_bot",
    "simulator",
    "requirements.lock",
    "requirements-demo.lock",
    "requirements-dev.lock",
)
# Names that the machine of a developer may have set, and that would change what a test sees.
SETTINGS_PREFIXES = ("TWILIO_", "AUTH_API_", "SIMULATOR_", "FLASK_", "REDIS_", "QUEUE_", "QUIET_", "WEB_", "PIP_")
SETTINGS_NAMES = ("PORT", "PUBLIC_BASE_URL", "ADMIN_API_KEY", "HANDOFF_API_KEY", "DEMO_ENV_FILE", "CI", "NO_COLOR")


@dataclass
class Clone:
    """The project in a folder of its own. A process started from it carries ``tag`` in its environment."""

    folder: Path
    tag: str = field(default_factory=lambda: uuid.uuid4().hex)

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(SETTINGS_PREFIXES) and name not in SETTINGS_NAMES
        }
        return kept | {"CLONE_TAG": self.tag} | extra

    def run(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "deploy.sh", *arguments],
            env=self.environment(**extra),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def start(self, *arguments: str, **extra: str) -> subprocess.Popen[str]:
        """Start a verb as from a terminal: a background job would have SIGINT ignored."""
        return subprocess.Popen(
            [self.folder / "deploy.sh", *arguments],
            env=self.environment(**extra),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hear_signals,  # noqa: PLW1509  (it does nothing but that)
            start_new_session=True,
        )

    def processes(self) -> dict[int, str]:
        """Every living process that came from this clone, whoever its parent is by now.

        Redis writes its title over its environment; it is known by the folder that it works in.
        """
        mark = f"CLONE_TAG={self.tag}".encode()
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                works_here = (entry / "cwd").readlink().is_relative_to(self.folder)
                if works_here or mark in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it ended meanwhile, or belongs to someone else
                continue
        return found


def hear_signals() -> None:
    """A shell cannot trap what it was started to ignore, as by nohup."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]


def status_of(url: str) -> int | None:
    """The status that a GET answers, or None when nobody does."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def copy_project(folder: Path) -> Clone:
    for name in SHIPPED:
        source, target = PROJECT / name, folder / name
        if source.is_dir():
            # With what Python has compiled already: the copies are as old as the originals.
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
    return Clone(folder)


def lend_packages(clone: Clone) -> None:
    """Give the clone an environment that reads the packages of this one, marked as finished."""
    venv = clone.folder / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    finish = "from dependencies.environment import *; stamp_of(LOCKS[-1]).write_text(fingerprint(LOCKS[-1]))"
    subprocess.run([sys.executable, "-c", finish], cwd=clone.folder, check=True)


def end_processes(clone: Clone) -> None:
    """After a test that failed half-way: end what is left, and only that."""
    for process in clone.processes():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
