"""Where the processes of one server keep their metrics together: a folder in memory, new with each start.

Whoever starts the processes names it in the environment (``config.METRICS_FOLDER``), before prometheus_client is
imported anywhere.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder is made for its owner alone, or not at all


def folder_of_this_process(server: str) -> Path:
    """The folder of the server (``web`` or ``worker``) whose first process this is."""
    parent = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    return parent / f"msmebazaar-{server}-metrics-{os.getpid()}"


def make_anew(folder: Path) -> None:
    """An empty folder for its owner alone; what processes left there that were killed goes as well."""
    for other in folder.parent.glob(f"{_name_without_pid(folder)}-*"):
        if other == folder or _is_left_behind(other):
            remove(other)
    folder.mkdir(mode=0o700)


def remove(folder: Path) -> None:
    """Take it away, if it is there."""
    shutil.rmtree(folder, ignore_errors=not folder.exists())


def _name_without_pid(folder: Path) -> str:
    return folder.name.rpartition("-")[0]


def _is_left_behind(folder: Path) -> bool:
    pid = folder.name.rpartition("-")[2]
    return folder.stat().st_uid == os.getuid() and not Path("/proc", pid).exists()
