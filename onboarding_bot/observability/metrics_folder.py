"""The folder in which the processes of one server keep their metrics: in memory, and new with each start.

The first process names it in the environment (``config.METRICS_FOLDER``) before anything imports prometheus_client,
and so this module does not. Memory may be full, at the start or later: then a folder among the temporary files holds
all the metrics, or a part of them.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder is made for its owner alone, or not at all
# More than the files of all processes of a server need together.
NEEDED_BYTES = 1024 * 1024


def folder_of_this_process(server: str, known: str = "") -> Path:
    """The folder for the server (``web`` or ``worker``) whose first process this is; it need not exist yet.

    ``known`` is the folder that a reload of the settings finds in the environment: it stays.
    """
    name = f"msmebazaar-{server}-metrics-{os.getpid()}"
    if Path(known).name == name:
        return Path(known)
    places = list(_places())
    for place in places:
        _tidy(place / name)
    return next(filter(_has_room, places), places[0]) / name


def second_folder(folder: Path) -> Path | None:
    """The folder for what has no room in ``folder``; None where there is only one place for both."""
    return next((place / folder.name for place in _places() if place != folder.parent), None)


def folders(folder: Path) -> list[Path]:
    """All folders in which metrics of this server may be."""
    second = second_folder(folder)
    return [folder, second] if second else [folder]


def is_second_choice(folder: Path) -> bool:
    """Whether it is among the temporary files although there is memory: that is full, or was."""
    return folder.parent in list(_places())[1:]


def make_anew(folder: Path) -> None:
    """Make an empty folder for its owner alone, and remove those of servers that were killed.

    Where that fails each process keeps its metrics to itself, and /health shows it.
    """
    remove(folder)
    _tidy(folder)
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        return


def remove(folder: Path) -> None:
    """Remove the server's folders with all that is in them, if they exist."""
    for part in folders(folder):
        shutil.rmtree(part, ignore_errors=True)


def refuse_others(folder: Path) -> None:
    """Raise PermissionError for a folder that another user owns: its links could lead anywhere."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), 0}:
        raise PermissionError(f"{folder} belongs to another user")


def allocate(descriptor: int, size: int) -> None:
    """Allocate ``size`` bytes of a file. Raises OSError where there is no space.

    A process that writes through its memory to bytes which are not allocated is killed (SIGBUS) on a full disk.
    """
    os.posix_fallocate(descriptor, 0, size)


def _places() -> Iterator[Path]:
    if os.access(_MEMORY, os.W_OK):
        yield _MEMORY
    try:
        yield Path(tempfile.gettempdir())
    except FileNotFoundError:
        # No temporary folder can be written to.
        yield Path("/tmp")  # noqa: S108 - see above


def _has_room(place: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            allocate(file.fileno(), NEEDED_BYTES)
    except OSError:
        return False
    return True


def _tidy(folder: Path) -> None:
    """Remove the folders that servers of this kind have left beside ``folder``."""
    for other in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
        if other != folder and _is_left_behind(other):
            shutil.rmtree(other, ignore_errors=True)


def _is_left_behind(folder: Path) -> bool:
    pid = folder.name.rpartition("-")[2]
    try:
        return folder.stat().st_uid == os.getuid() and not Path("/proc", pid).exists()
    except OSError:
        # Another process removed it.
        return False
