"""The wheel holds everything that the bot needs, and the bot runs from it in any folder."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from packaging.requirements import Requirement
from redis import Redis

from onboarding_bot import __version__
from onboarding_bot.cli import COMMANDS
from onboarding_bot.storage.keys import SCHEDULER_LEASE
from tests.deploy.clones import PATIENCE_SECONDS, PROJECT, free_ports, status_of, wait_until
from tests.servers import RedisServer, running_redis
from tests.settings import ENVIRONMENT

# What stands in pyproject.toml, and what that names.
BUILT_FROM = ("pyproject.toml", "README.md", "requirements.txt", "onboarding_bot", "simulator", "main.py")
MADE_BY_PYTHON = shutil.ignore_patterns("__pycache__", "*.pyc")


@dataclass
class Installed:
    """The wheel in an environment of its own, in which the project's folder is nowhere to be found."""

    wheel: Path
    environment: Path
    elsewhere: Path

    def program(self, name: str) -> Path:
        return self.environment / "bin" / name

    def variables(self, **changes: str) -> dict[str, str]:
        """A process's environment: what it needs to start, and valid settings."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return kept | ENVIRONMENT | changes


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    source, wheels, environment = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "environment"))
    for name in BUILT_FROM:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, source / name, ignore=MADE_BY_PYTHON)
        else:
            shutil.copy(PROJECT / name, source / name)
    uv = [sys.executable, "-m", "uv", "--offline", "--quiet"]
    options = ("--wheel", "--no-build-isolation", "--python", sys.executable)
    subprocess.run([*uv, "build", *options, "--out-dir", wheels, source], check=True)
    (wheel,) = wheels.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([*uv, "pip", "install", "--no-deps", "--python", environment / "bin" / "python", wheel], check=True)
    return Installed(wheel, environment, tmp_path_factory.mktemp("elsewhere"))


def files_of_the_package() -> set[str]:
    found = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "onboarding_bot").rglob("*") if path.is_file()}
    return {name for name in found if "__pycache__" not in name}


def test_it_holds_every_file_of_the_package_and_nothing_else(installed: Installed) -> None:
    names = {name for name in zipfile.ZipFile(installed.wheel).namelist() if ".dist-info/" not in name}
    assert names == files_of_the_package()


def test_it_says_what_it_is_and_what_it_needs(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        about = email.message_from_bytes(wheel.read(name))
    assert (about["Name"], about["Version"]) == ("msmebazaar-whatsapp-bot", __version__)
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    needed = {str(Requirement(line)) for line in lines if line and not line.startswith("#")}
    assert {str(Requirement(need)) for need in about.get_all("Requires-Dist", [])} == needed


def test_it_brings_the_command_line(installed: Installed) -> None:
    told = subprocess.run(
        [installed.program("msmebazaar-bot"), "--help"],
        cwd=installed.elsewhere,
        env=installed.variables(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.startswith("Usage: msmebazaar-bot ")
    assert [command for command in COMMANDS if f"\n  {command} " not in told.stdout] == []


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def url(installed: Installed, redis: RedisServer) -> Iterator[str]:
    """The address of the bot, served with its worker from the wheel, in a folder with nothing in it."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [installed.program("msmebazaar-bot"), "serve"],
        cwd=installed.elsewhere,
        env=installed.variables(PORT=str(port), WEB_CONCURRENCY="1", REDIS_URL=redis.url),
        stdin=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is not None or status_of(f"{url}/health/ready") == 200)
        wait_until(lambda: process.poll() is not None or bool(Redis(port=redis.port).exists(SCHEDULER_LEASE)))
        yield url
    finally:
        process.terminate()
        assert process.wait(timeout=PATIENCE_SECONDS) == 0


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        pytest.param("/health/ready", '"ready"', id="it gets messages"),
        pytest.param("/dashboard/sign-in", "<!doctype html>", id="pages"),
        pytest.param("/dashboard/static/any/dashboard.css", "color", id="what pages look like"),
    ],
)
def test_the_bot_is_served_from_it_in_any_folder(url: str, path: str, shown: str) -> None:
    with closing(urlopen(url + path, timeout=PATIENCE_SECONDS)) as answer:
        assert shown in answer.read().decode().lower()
