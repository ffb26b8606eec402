"""Backup and restore where bot and Redis run in containers of Docker Compose, and share no files with this machine."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from onboarding_bot.backups.backup import make_folder_of, write_for_owner
from onboarding_bot.backups.erasure_list import SUFFIX, beside
from onboarding_bot.errors import BotError
from onboarding_bot.progress import Progress

BOT, WORKER, REDIS = "whatsapp-bot", "worker", "redis"
DEFAULT_RETENTION_DAYS = 30
PIECE = 1024 * 1024
RESTORE_PORT = 7379
# A second server in Redis's container, which loads the snapshot; its password is in the container's environment.
START_LOADING = f"""exec redis-server - <<SETTINGS
port {RESTORE_PORT}
requirepass $REDISCLI_AUTH
dir /tmp
dbfilename restore.rdb
appendonly no
save ""
SETTINGS"""
# A server that still reads the snapshot says so; one that says nothing for 5 s has ended.
UNTIL_LOADED = f"""
  silent=0
  while [ "$silent" -lt 25 ]; do
    said=$(redis-cli -p {RESTORE_PORT} ping 2>&1)
    case $said in PONG) exit 0 ;; *LOADING*) silent=0 ;; *) silent=$((silent + 1)) ;; esac
    sleep 0.2
  done
  exit 1"""
NOT_LOADED = "the snapshot cannot be loaded: is it whole, and made by no newer Redis?"
END_LOADING = f"redis-cli -p {RESTORE_PORT} shutdown nosave; rm -f /tmp/restore.rdb"


class ComposeError(BotError):
    """A container did not do what it was asked; what went wrong has been said on standard error."""

    code = "compose.failed"


def back_up(path: Path, progress: Progress) -> Path:
    """Write a backup to ``path``, with mode 0600, whole or not at all; the path of the list of erasures beside it.

    Raises ComposeError and OSError.
    """
    make_folder_of(path)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            _take_snapshot(file, progress)
        # Asked for after the snapshot, so that nobody who is missing in one is missing in the other.
        write_for_owner(beside(path), _output(_bot_command(_exec(BOT), "backup", "--erasures-only")))
        Path(unfinished).replace(path)
    finally:
        Path(unfinished).unlink(missing_ok=True)
    return beside(path)


def retention_days() -> int:
    """BACKUP_RETENTION_DAYS as the bot's container has it."""
    try:
        return int(_output([*_exec(BOT), "printenv", "BACKUP_RETENTION_DAYS"]))
    except (ComposeError, ValueError):
        return DEFAULT_RETENTION_DAYS


def restore(file: Path, lists: Iterable[Path]) -> None:
    """Restore ``file`` while the bot and its workers stand still; they are not started again.

    ``lists`` are lists of erasures and logs beside those in the folder of the file. Raises ComposeError.
    """
    if not file.is_file():
        raise ComposeError(f"{file} does not exist")
    known = [*sorted(file.parent.glob(f"*{SUFFIX}")), *lists]
    erasures = b"".join(path.read_bytes() for path in known if path.exists())
    _run(["docker", "compose", "stop", BOT, WORKER])
    with _loaded(file):
        run = ["docker", "compose", "run", "--rm", "--no-deps", "-T", BOT]
        options = ["backup", "--loaded-port", str(RESTORE_PORT), "--erasures", "/dev/stdin"]
        _run(_bot_command(run, "restore", *options), erasures, failure="not restored")


@contextmanager
def _loaded(file: Path) -> Iterator[None]:
    """A second server in Redis's container that holds the snapshot, and is gone afterwards."""
    in_redis = [*_exec(REDIS), "sh", "-c"]
    try:
        with file.open("rb") as snapshot:
            _run([*in_redis, "umask 077; cat >/tmp/restore.rdb"], snapshot)
        _run(["docker", "compose", "exec", "-T", "--detach", REDIS, "sh", "-c", START_LOADING])
        _run([*in_redis, UNTIL_LOADED], failure=NOT_LOADED)
        yield
    finally:
        subprocess.run([*in_redis, END_LOADING], stdin=subprocess.DEVNULL, check=False)  # noqa: S603


def _take_snapshot(file: IO[bytes], progress: Progress) -> None:
    with subprocess.Popen(  # noqa: S603
        [*_exec(REDIS), "redis-cli", "--rdb", "-"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        while piece := process.stdout.read(PIECE):
            file.write(piece)
            progress("bytes of the snapshot", file.tell(), None)
    if process.returncode or not file.tell():
        raise ComposeError("no snapshot was taken")


def _exec(service: str) -> list[str]:
    return ["docker", "compose", "exec", "-T", service]


def _bot_command(container: list[str], name: str, *arguments: str) -> list[str]:
    """How the bot's command is run in its container, whose image may still be that of the release before."""
    look = [*container, "test", "-e", "onboarding_bot/__main__.py"]
    is_new = subprocess.run(look, stdin=subprocess.DEVNULL, check=False).returncode == 0  # noqa: S603
    program = ["onboarding_bot", name] if is_new else [f"onboarding_bot.cli.{name}"]
    return [*container, "python", "-m", *program, *arguments]


def _run(command: list[str], given: bytes | IO[bytes] = b"", failure: str = "not restored") -> None:
    where: dict[str, Any] = {"input": given} if isinstance(given, bytes) else {"stdin": given}
    if subprocess.run(command, check=False, **where).returncode:  # noqa: S603
        raise ComposeError(failure)


def _output(command: list[str]) -> str:
    done = subprocess.run(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise ComposeError(f"{command[-1]} failed")
    return done.stdout
