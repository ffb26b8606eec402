"""Where the processes of one server keep their metrics together: a folder in memory, new with each start.

Whoever starts the processes names it in the environment (``config.METRICS_FOLDER``), before prometheus_client is
imported anywhere. Memory may be full, at the start or later: then another folder takes its place, or a part of it.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder is made for its owner alone, or not at all
# What the files of a server's processes need together, with some to spare.
ROOM = 1024 * 1024


def folder_of_this_process(server: str, known: str = "") -> Path:
    """The folder of the server (``web`` or ``worker``) whose first process this is.

    ``known`` is the one that it had when its settings were read last.
    """
    name = f"msmebazaar-{server}-metrics-{os.getpid()}"
    if Path(known).name == name:
        return Path(known)
    places = list(_places())
    for place in places:
        _tidy(place / name)
    return next(filter(_has_room, places), places[0]) / name


def second_folder(folder: Path) -> Path | None:
    """Where a process keeps what there is no room for in ``folder``."""
    return next((place / folder.name for place in _places() if place != folder.parent), None)


def folders(folder: Path) -> list[Path]:
    """All folders in which figures of this server may be."""
    second = second_folder(folder)
    return [folder, second] if second else [folder]


def is_second_choice(folder: Path) -> bool:
    """Whether it lies elsewhere than in memory though there is memory: that is full, or was."""
    return folder.parent in list(_places())[1:]


def make_anew(folder: Path) -> None:
    """An empty folder for its owner alone; what processes left there that were killed goes as well.

    Where none can be made, each process will find that out for itself, and /health tells.
    """
    remove(folder)
    _tidy(folder)
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        return


def remove(folder: Path) -> None:
    """Take it away with all that belongs to it, if it is there."""
    for part in folders(folder):
        shutil.rmtree(part, ignore_errors=True)


def refuse_others(folder: Path) -> None:
    """Raise PermissionError for a folder that somebody else has put there: its links could lead anywhere."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), 0}:
        raise PermissionError(f"{folder} is somebody else's")


def allocate(descriptor: int, size: int) -> None:
    """Have real space for so many bytes of a file; raises OSError where there is none.

    A file that only seems to have them kills the process that writes to it through its memory (SIGBUS).
    """
    os.posix_fallocate(descriptor, 0, size)


def _places() -> Iterator[Path]:
    if os.access(_MEMORY, os.W_OK):
        yield _MEMORY
    try:
        yield Path(tempfile.gettempdir())
    except FileNotFoundError:
        # There is none that could be written to.
        yield Path("/tmp")  # noqa: S108 - see above


def _has_room(place: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            allocate(file.fileno(), ROOM)
    except OSError:
        return False
    return True


def _tidy(folder: Path) -> None:
    """Take away what servers of this kind have left beside it."""
    for other in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
        if other != folder and _is_left_behind(other):
            shutil.rmtree(other, ignore_errors=True)


def _is_left_behind(folder: Path) -> bool:
    pid = folder.name.rpartition("-")[2]
    try:
        return folder.stat().st_uid == os.getuid() and not Path("/proc", pid).exists()
    except OSError:
        # Somebody else took it away.
        return False
