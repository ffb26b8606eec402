"""The files in which prometheus_client keeps the metrics of a server's processes, on space that is allocated.

The library maps its files without allocating their space: on a full tmpfs the first value that is written kills the
process (SIGBUS), when one starts or a file grows. This module allocates the space first. Without space a file moves to
the server's second folder, and without that to the process's own memory, where no other process can read it: people are
served all the same, and /health says that metrics are missing.
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

# The library's own first size would cost real memory here; a file grows when it needs more.
_FIRST_SIZE = 1 << 14
# An empty file: the used bytes as a number of 4 bytes, and 4 bytes of padding.
_EMPTY = pack("ii", 8, 0)
_DAMAGED = (RuntimeError, ValueError, TypeError, AttributeError, StructError)
_open_files: WeakSet[CountedFile] = WeakSet()


class CountedFile(MmapedDict):
    """The metrics of one kind (counters, histograms, gauges) of one process."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        """Open the file, or what takes its place, and go on with the values of an earlier process of the same id.

        ``read_mode`` is the library's, which reads files in another way here.
        """
        self._paths = [folder / Path(filename).name for folder in folders(Path(filename).parent)]
        # Where other processes find the values, and where they find older ones while these are in memory alone.
        self._path: Path | None = None
        self._stale: Path | None = None
        self._descriptor: int | None = None
        content = self._left_behind() or _EMPTY
        self._used = len(content)
        self._find_space(_FIRST_SIZE * (1 + len(content) // _FIRST_SIZE), content)
        self._positions = {key: position for key, _, _, position in self._read_all_values()}  # type: ignore[no-untyped-call]
        _open_files.add(self)

    @property
    def is_shared(self) -> bool:
        """Whether other processes can read the values; tries again to find space where they cannot."""
        if self._path is None:
            self._find_space(self._capacity, self._m[: self._used])
        return self._path is not None

    def close(self) -> None:
        """Close the file and its mapping."""
        _open_files.discard(self)
        self._m.close()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _init_value(self, key: str) -> None:
        """Add a series, as the library does, on space that is allocated."""
        # A number of 4 bytes, the key, up to 8 bytes of padding, and two numbers of 8 bytes.
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
        """Move this content to the first file that has the space, or to memory."""
        before, stale = self._descriptor, self._path or self._stale
        if any(self._opened(path, size, content) for path in self._paths):
            self._stale = None
            if stale and stale != self._path:
                with suppress(OSError):
                    stale.unlink(missing_ok=True)
        else:
            # Other processes still read there what was counted so far.
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
                # The library cannot read an empty file.
                path.unlink(missing_ok=True)
            return False
        return True


class AllFiles(Collector):
    """The metrics of all processes of a server, from all of its folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        """Add them up."""
        while True:
            with suppress(FileNotFoundError):  # a file has just moved
                found = [str(path) for path in files_in(self._folder, "*.db") if _is_begun(path)]
                yield from _added_up(found)
                return


def files_in(folder: Path, pattern: str) -> list[Path]:
    """The files of a server's processes that match, from all of its folders."""
    return [path for part in folders(folder) for path in part.glob(pattern)]


def is_complete(folder: Path | None) -> bool:
    """Whether the metrics of this process, and of those that it can see, are in the server's first folder."""
    if folder is None:
        return True
    # A list, so that each of them tries again.
    are_shared = [file.is_shared for file in list(_open_files)]
    are_at_home = [path.parent == folder for path in files_in(folder, "*.db")]
    return all(are_shared) and all(are_at_home) and not is_second_choice(folder)


def process_ended(folder: Path, pid: int) -> None:
    """Remove the gauges of a process that has ended; its counters stay."""
    for part in folders(folder):
        with suppress(OSError):  # another process removed the file
            mark_process_dead(pid, str(part))


def _added_up(files: list[str]) -> list[Metric]:
    """The sums of these files, without those that a process left in the middle of a write."""
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
