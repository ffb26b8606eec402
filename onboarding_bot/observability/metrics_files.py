"""The files of prometheus_client that the processes of a server count in: with real space under them, or none at all.

The library makes its files as large as they will be and maps them, whether there is room or not: on a full tmpfs the
first figure that is written kills the process (SIGBUS), whenever one is started or a file grows. Here space is asked
for first. Without it the file moves to the server's second folder, and without that to the process's own memory, where
nobody else can read it: people are served all the same, and /health says that figures are missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from struct import error as StructError  # noqa: N812 - it is a class
from struct import pack, unpack_from
from weakref import WeakSet

from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from onboarding_bot.observability.metrics_folder import allocate, folders, is_second_choice, refuse_others

# Real space is dear where the library's own size only seems to be there; a file grows when it needs more.
_FIRST_SIZE = 1 << 14
# How far a file is used, in a number of 4 bytes, and 4 bytes that fill it up.
_NOTHING = pack("ii", 8, 0)
_DAMAGED = (RuntimeError, ValueError, TypeError, AttributeError, StructError)
_open_files: WeakSet[CountedFile] = WeakSet()


class CountedFile(MmapedDict):
    """One kind of figures of one process."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        """Open the file, or what takes its place; what a process with the same id has left there is gone on with."""
        self._paths = [folder / Path(filename).name for folder in folders(Path(filename).parent)]
        # Where others find its figures, and where they find older ones while there is no place for these.
        self._path: Path | None = None
        self._stale: Path | None = None
        self._descriptor: int | None = None
        content = self._left_behind() or _NOTHING
        self._used = len(content)
        self._find_space(_FIRST_SIZE * (1 + len(content) // _FIRST_SIZE), content)
        self._positions = {key: position for key, _, _, position in self._read_all_values()}  # type: ignore[no-untyped-call]
        _open_files.add(self)

    @property
    def is_shared(self) -> bool:
        """Whether others can read it; a file that is not is given another try here."""
        if self._path is None:
            self._find_space(self._capacity, self._m[: self._used])
        return self._path is not None

    def close(self) -> None:
        """Let go of it."""
        _open_files.discard(self)
        self._m.close()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _init_value(self, key: str) -> None:
        """As the library does, with space that is there."""
        # A number of 4 bytes, the key, up to 8 bytes that fill it up, and two numbers of 8 bytes.
        needed = self._used + len(key.encode()) + 28
        if needed > self._capacity:
            self._find_space(self._capacity * 2 ** (needed // self._capacity), self._m[: self._used])
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _left_behind(self) -> bytes:
        for path in self._paths:
            with suppress(OSError):
                refuse_others(path.parent)
                if path.stat().st_size and _is_whole(str(path)):
                    content = path.read_bytes()
                    return content[: unpack_from("i", content)[0]]
        return b""

    def _find_space(self, size: int, content: bytes) -> None:
        """Go on with this content in the first file that has the space, or in memory alone."""
        before, stale = self._descriptor, self._path or self._stale
        if any(self._opened(path, size, content) for path in self._paths):
            self._stale = None
            if stale and stale != self._path:
                with suppress(OSError):
                    stale.unlink(missing_ok=True)
        else:
            # What it has counted so far is still to be read there.
            self._descriptor, self._path, self._stale, self._m = None, None, stale, _filled(mmap(-1, size), content)
        self._capacity = size
        if before is not None:
            os.close(before)

    def _opened(self, path: Path, size: int, content: bytes) -> bool:
        is_new = path not in {self._path, self._stale}
        try:
            if path.parent != self._paths[0].parent:
                path.parent.mkdir(mode=0o700, exist_ok=True)
            refuse_others(path.parent)
            opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return False
        try:
            allocate(opened, size)
            self._descriptor, self._path, self._m = opened, path, _filled(mmap(opened, size), content)
        except OSError:
            os.close(opened)
            if is_new:
                # Readers would stumble over an empty one.
                path.unlink(missing_ok=True)
            return False
        return True


class AllFiles(Collector):
    """The figures of all processes of a server, in whichever of its folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        """Added up."""
        while True:
            with suppress(FileNotFoundError):  # one has just moved
                found = [str(path) for path in files_in(self._folder, "*.db") if _is_begun(path)]
                yield from _added_up(found)
                return


def files_in(folder: Path, pattern: str) -> list[Path]:
    """The files of a server's processes."""
    return [path for part in folders(folder) for path in part.glob(pattern)]


def is_complete(folder: Path | None) -> bool:
    """Whether the figures of this process, and those that it knows of, are where they belong."""
    if folder is None:
        return True
    # Each of them is given its try.
    are_shared = [file.is_shared for file in list(_open_files)]
    are_at_home = [path.parent == folder for path in files_in(folder, "*.db")]
    return all(are_shared) and all(are_at_home) and not is_second_choice(folder)


def process_ended(folder: Path, pid: int) -> None:
    """Its state goes, what it has counted stays."""
    for part in folders(folder):
        with suppress(OSError):  # somebody else took the file away
            mark_process_dead(pid, str(part))


def _added_up(files: list[str]) -> list[Metric]:
    """The figures in these files; one that a process left in mid-write hides those of no other."""
    try:
        return list(MultiProcessCollector.merge(files))
    except _DAMAGED:
        return list(MultiProcessCollector.merge([file for file in files if _is_whole(file)]))


def _is_whole(file: str) -> bool:
    try:
        list(MultiProcessCollector.merge([file]))
    except _DAMAGED:
        return False
    return True


def _filled(memory: mmap, content: bytes) -> mmap:
    memory[: len(content)] = content
    return memory


def _is_begun(path: Path) -> bool:
    try:
        return path.stat().st_size >= _FIRST_SIZE
    except OSError:
        return False


values.MmapedDict = CountedFile  # type: ignore[attr-defined]
