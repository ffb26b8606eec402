"""A backup: a snapshot of Redis while everything runs, and beside it the list of those who were erased."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from onboarding_bot.backups.erasure_list import beside, written
from onboarding_bot.progress import Progress
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.snapshot import take_snapshot

# Where backups go that were given no name; these alone are cleared away.
PREFIX = "backup-"


def new_path(folder: Path, now: datetime) -> Path:
    """The path of a backup that was given no name."""
    return folder / f"{PREFIX}{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.rdb"


def back_up(client: AnyRedis, erasures: Erasures, path: Path, progress: Progress) -> list[Path]:
    """Write a backup to ``path``, each of its files with mode 0600, whole or not at all; the files that were written.

    Raises SnapshotError, StoreUnavailableError and OSError.
    """
    make_folder_of(path)
    files = take_snapshot(client, path, progress)
    # Asked for after the snapshot, so that nobody who is missing in one is missing in the other.
    write_for_owner(beside(path), erasure_list(erasures))
    return [*files, beside(path)]


def erasure_list(erasures: Erasures) -> str:
    """Everybody who was erased, by keyed hash, as the file beside a backup. Raises StoreUnavailableError."""
    until = datetime.now(UTC)
    return written(dict(erasures.log.erased_since(datetime.fromtimestamp(0, UTC))), until)


def delete_old(folder: Path, now: datetime, days: int) -> list[Path]:
    """Delete the backups in ``folder`` that were given no name and are older than so many days; those that went."""
    oldest = (now - timedelta(days=days)).timestamp()
    old = sorted(path for path in folder.glob(f"{PREFIX}*") if path.stat().st_mtime < oldest)
    for path in old:
        path.unlink()
    return old


def make_folder_of(path: Path) -> None:
    """Make the folder that ``path`` is in, for its owner alone, where there is none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_for_owner(path: Path, text: str) -> None:
    """Write a file with mode 0600, whole or not at all."""
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(unfinished).replace(path)
