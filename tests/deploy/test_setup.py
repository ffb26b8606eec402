"""How deploy.sh makes its Python environment, and what it says when it cannot."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.clones import PATIENCE_SECONDS, Clone, wait_until

NOBODY_LISTENS = "http://127.0.0.1:9/simple"


def path_without_python(folder: Path, *programs: str) -> str:
    """A PATH on which there is a shell with its tools and no Python, but for the programs given."""
    folder.mkdir()
    for tool in ("bash", "env", "dirname", "cksum", "tr", "mkdir", "cat"):
        source = next(p / tool for p in map(Path, os.environ["PATH"].split(":")) if (p / tool).exists())
        (folder / tool).symlink_to(source)
    for program in programs:
        (folder / "python3").write_text(program)
        (folder / "python3").chmod(0o755)
    return str(folder)


def test_no_python_is_one_line(bare_clone: Clone, tmp_path: Path) -> None:
    told = bare_clone.run("demo", PATH=path_without_python(tmp_path / "bin"))
    assert told.returncode == 1
    assert told.stdout == ""
    assert told.stderr == (
        "deploy.sh: Python 3.11 or newer is needed, and none was found: install it, or put it on the PATH\n"
    )


def test_a_python_that_is_too_old_does_not_count(bare_clone: Clone, tmp_path: Path) -> None:
    told = bare_clone.run("demo", PATH=path_without_python(tmp_path / "bin", "#!/bin/sh\nexit 1\n"))
    assert told.returncode == 1
    assert "Python 3.11 or newer is needed" in told.stderr


def test_a_python_without_venv_is_told_apart(bare_clone: Clone, tmp_path: Path) -> None:
    new_but_bare = '#!/bin/sh\ncase "$2" in *venv*) exit 1 ;; esac\n'
    told = bare_clone.run("demo", PATH=path_without_python(tmp_path / "bin", new_but_bare))
    assert told.returncode == 1
    assert len(told.stderr.splitlines()) == 1
    assert "python3 has no venv module" in told.stderr


def test_without_network_one_line_says_so(bare_clone: Clone, ready_environment: dict[str, str]) -> None:
    told = bare_clone.run("demo", PIP_INDEX_URL=NOBODY_LISTENS, PIP_RETRIES="0", **ready_environment)
    assert told.returncode == 1
    assert told.stdout == "Installing requirements-demo.lock into .venv (about a minute, once)\n"
    assert len(told.stderr.splitlines()) == 1
    assert "requirements-demo.lock could not be installed: is PyPI within reach?" in told.stderr
    assert "127.0.0.1" in (bare_clone.folder / "var/log/setup.log").read_text()


@pytest.mark.parametrize("tampered_with", [True, False], ids=["tampered with", "as it was hashed"])
def test_a_package_is_installed_only_as_it_was_hashed(
    bare_clone: Clone, tmp_path: Path, ready_environment: dict[str, str], tampered_with: bool
) -> None:
    wheel = tmp_path / "door-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("door-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: door\nVersion: 1.0\n")
        archive.writestr("door-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("door-1.0.dist-info/RECORD", "")
    lock = f"door==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    for name in ("requirements.lock", "requirements-demo.lock", "requirements-dev.lock"):
        (bare_clone.folder / name).write_text(lock)
    if tampered_with:
        with zipfile.ZipFile(wheel, "a") as archive:
            archive.writestr("door.py", "print('somebody else was here')\n")
    environment = ready_environment if tampered_with else {}
    told = bare_clone.run("install", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path), **environment)
    assert (told.returncode, "could not be installed" in told.stderr) == ((1, True) if tampered_with else (0, False))
    log = (bare_clone.folder / "var/log/setup.log").read_text()
    assert ("DO NOT MATCH THE HASHES" in log) == tampered_with


@pytest.fixture
def silent_index() -> Iterator[socket.socket]:
    """A PyPI that takes the call and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as index:
        index.settimeout(PATIENCE_SECONDS)
        yield index


def end_during_installation(
    clone: Clone, index: socket.socket, number: signal.Signals, environment: dict[str, str]
) -> int:
    url = f"http://127.0.0.1:{index.getsockname()[1]}/simple"
    started = clone.start("demo", PIP_INDEX_URL=url, **environment)
    connection, _ = index.accept()
    with connection:
        started.send_signal(number)
        started.communicate(timeout=PATIENCE_SECONDS)
    wait_until(lambda: not clone.processes())
    return started.returncode


def test_ctrl_c_ends_the_installation(
    bare_clone: Clone, silent_index: socket.socket, ready_environment: dict[str, str]
) -> None:
    assert end_during_installation(bare_clone, silent_index, signal.SIGINT, ready_environment) == 130


def test_an_installation_that_was_cut_short_begins_anew(
    bare_clone: Clone, silent_index: socket.socket, ready_environment: dict[str, str]
) -> None:
    assert end_during_installation(bare_clone, silent_index, signal.SIGTERM, ready_environment) == 143
    leftover = bare_clone.folder / ".venv" / "left-by-the-first-attempt"
    leftover.touch()
    bare_clone.run("demo", PIP_INDEX_URL=NOBODY_LISTENS, PIP_RETRIES="0", **ready_environment)
    assert not leftover.exists()


def test_a_finished_environment_is_used_as_it_is(clone: Clone) -> None:
    told = clone.run("env", PIP_INDEX_URL=NOBODY_LISTENS)
    assert "Installing" not in told.stdout
    assert "setting " in told.stderr


def test_changed_requirements_are_installed(clone: Clone) -> None:
    requirements = clone.folder / "requirements.lock"
    before = requirements.read_text()
    requirements.write_text(before + "# a new line\n")
    try:
        first, second = clone.run("env"), clone.run("env")
    finally:
        requirements.write_text(before)
    assert first.stdout == "Installing requirements.lock into .venv (about a minute, once)\n"
    assert second.stdout == ""
    assert not (clone.folder / ".venv" / ".unfinished").exists()
