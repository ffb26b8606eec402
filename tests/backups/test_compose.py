"""Backup and restore on containers: what Docker is asked to do, and what is left when it does not."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command_line import run_command

# A docker that notes how it was called, and fails at what stands in $FAILS.
DOCKER = """#!/bin/sh
echo "$*" | head -n 1 >>"$NOTES"
case "$*" in *"$FAILS"*) exit 1 ;; esac
case "$*" in
  *" --rdb -") printf '%s' "$SNAPSHOT" ;;
  *" --erasures-only") echo "a list" ;;
  *" printenv "*) echo "$DAYS" ;;
  "compose run"*" restore "*) cat >"$NOTES.erasures" ;;
esac
"""


@dataclass
class Docker:
    """The containers as this machine sees them."""

    notes: Path
    patch: pytest.MonkeyPatch

    def has(self, **state: str) -> None:
        for name, value in state.items():
            self.patch.setenv(name, value)

    @property
    def calls(self) -> list[str]:
        lines = self.notes.read_text().splitlines()
        return [line.removeprefix("compose ") for line in lines if " test -e " not in line]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    found = Docker(tmp_path / "notes", monkeypatch)
    found.has(NOTES=str(found.notes), SNAPSHOT="REDIS0011", DAYS="7", FAILS="nothing of all this")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def test_the_snapshot_comes_first_and_the_list_after_it(docker: Docker, folder: Path) -> None:
    file = folder / "night.rdb"
    assert run_command("backup", "--with-compose", str(file)) == 0
    assert docker.calls == [
        "exec -T redis redis-cli --rdb -",
        "exec -T whatsapp-bot python -m onboarding_bot backup --erasures-only",
    ]
    assert (file.read_text(), (folder / "night.rdb.erasures").read_text()) == ("REDIS0011", "a list\n")
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"FAILS": "--rdb"}, id="Redis gives none"),
        pytest.param({"SNAPSHOT": ""}, id="an empty one"),
        pytest.param({"FAILS": "--erasures-only"}, id="the bot gives no list"),
    ],
)
def test_a_backup_that_is_not_whole_is_none(
    docker: Docker, folder: Path, state: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    docker.has(**state)
    assert run_command("--called-as", "deploy.sh", "backup", "--with-compose", str(folder / "night.rdb")) == 1
    assert capsys.readouterr() == ("", "deploy.sh: no backup was made\n")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("days", "kept"), [("7", {"backup-6"}), ("", {"backup-6", "backup-29"}), ("x", {"backup-6", "backup-29"})]
)
def test_backups_are_kept_as_long_as_the_bot_says(docker: Docker, folder: Path, days: str, kept: set[str]) -> None:
    folder.mkdir()
    for age in (6, 29, 31):
        (folder / f"backup-{age}").touch()
        os.utime(folder / f"backup-{age}", (time.time() - age * 86400,) * 2)
    docker.has(DAYS=days)
    assert run_command("backup", "--with-compose", "--folder", str(folder)) == 0
    assert {path.name for path in folder.iterdir() if len(path.name) < 12} == kept


def test_a_restore_knows_every_list_and_leaves_no_second_server(docker: Docker, folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    for name, text in (("night.rdb", "REDIS0011"), ("night.rdb.erasures", "list 1\n"), ("other.erasures", "list 2\n")):
        (folder / name).write_text(text)
    (tmp_path / "bot.log").write_text("list 3\n")
    lists = ["--erasures", str(tmp_path / "bot.log"), "--erasures", str(tmp_path / "no.log")]
    assert run_command("restore", "--with-compose", str(folder / "night.rdb"), *lists) == 0
    stopped, copied, started, _waited, restored, ended = docker.calls
    assert stopped == "stop whatsapp-bot worker"
    assert copied.startswith("exec -T redis sh -c umask 077; cat ")
    assert started.startswith("exec -T --detach redis ")
    assert restored == (
        "run --rm --no-deps -T whatsapp-bot "
        "python -m onboarding_bot restore backup --loaded-port 7379 --erasures /dev/stdin"
    )
    assert "shutdown nosave" in ended
    assert (tmp_path / "notes.erasures").read_text() == "list 1\nlist 2\nlist 3\n"


@pytest.mark.parametrize(
    ("fails", "says"),
    [
        ("cat >", "not restored"),
        ("--detach", "not restored"),
        ("ping", "the snapshot cannot be loaded: is it whole"),
        ("--loaded-port", "not restored"),
    ],
)
def test_a_restore_that_fails_leaves_no_second_server_either(
    docker: Docker, folder: Path, fails: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir()
    (folder / "night.rdb").write_text("REDIS0011")
    docker.has(FAILS=fails)
    assert run_command("restore", "--with-compose", str(folder / "night.rdb")) == 1
    assert says in capsys.readouterr().err
    assert "shutdown nosave" in docker.calls[-1]
