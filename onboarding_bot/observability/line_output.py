"""Whole lines for a descriptor that other processes share: written without waiting for its reader, or lost and counted.

A log is an extra. Its reader may be gone (EPIPE) or stand still, its disk may be full (ENOSPC), and the process that
writes has people to serve. A descriptor's flags belong to everybody who shares it, so nothing is switched to
non-blocking here: a pipe or a terminal is opened once more for this process alone.
"""

from __future__ import annotations

import _socket
import contextlib
import fcntl
import io
import os
import stat
import sys
import termios
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from select import PIPE_BUF
from typing import TextIO

# A reader that is only slow gets a burst of lines all the same. Whatever waits for longer, or beyond so much, is lost.
PATIENCE_SECONDS = 0.5
LARGEST_BACKLOG = 256 * 1024
# Whoever asks soon after a loss hears of it, though lines get through by now.
REMEMBERED_SECONDS = 5.0
# A line is the only proof that lines can be written; after so much silence one is written for that.
SILENT_SECONDS = 60.0
_PAUSE_SECONDS = 0.01
_PAGE = 4096

Send = Callable[[bytes], int]


@dataclass(slots=True, eq=False)
class _Line:
    """``data`` is what is left to write of it; ``counts`` says whether nobody would know of its loss otherwise."""

    data: bytes
    counts: bool = True
    is_begun: bool = False
    is_out: bool | None = None
    since: float = field(default_factory=time.monotonic)


class LineOutput:
    """Lines for one descriptor, None for one that was closed before this process began. No method raises.

    After ``silent_seconds`` without a line nobody knows whether lines can be written.
    """

    def __init__(self, descriptor: int | None, silent_seconds: float = float("inf")) -> None:
        self._descriptor = descriptor
        self._silent_seconds = silent_seconds
        self._identity: tuple[int, int] | None = None
        self._send: Send = _closed
        self._reader: int | None = None
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """As new, in a forked child too: what waits is the parent's to write, and what was lost is its loss."""
        # Reentrant: the handler of a signal may write a line while one is being written.
        self._lock = threading.RLock()
        self._waiting: deque[_Line] = deque()
        self._size = 0
        self._is_draining = False
        self._is_looked_after = False
        self._is_torn = False
        self._tell: Callable[[int], None] | None = None
        self._dropped = 0
        self._tried_at = self._lost_at = -float("inf")
        self._is_failing = False

    def write(self, text: str) -> None:
        """Write a line now, or within PATIENCE_SECONDS when its reader is busy, or lose it."""
        with self._lock:
            line = self._add(text)
            self._drain()
            if self._size > LARGEST_BACKLOG and line.is_out is None and not line.is_begun:
                self._lose(line)
            if self._waiting:
                self._look_after()

    def write_surely(self, text: str, patience: float = 0.0) -> bool:
        """Write a line and say whether it is out; with ``patience`` (seconds) a busy reader is waited for.

        A line that is not out is not counted as lost: whoever asks knows, and does something about it.
        """
        deadline = time.monotonic() + patience
        while True:
            with self._lock:
                self._drain()
                if not self._waiting and (is_out := self._write_alone(text)) is not None:
                    return is_out
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE_SECONDS)

    def is_well(self, proof: Callable[[], str]) -> bool:
        """Whether lines get out; after a failure, or the silence, ``proof`` is a line to find that out with."""
        with self._lock:
            self._drain()
            is_unknown = self._is_failing or time.monotonic() - self._tried_at > self._silent_seconds
            if is_unknown and not self._waiting and self._write_alone(proof()) is None:
                self._is_failing = True
            return not self._is_failing and time.monotonic() - self._lost_at > REMEMBERED_SECONDS

    def tell_losses(self, tell: Callable[[int], None]) -> None:
        """Have ``tell`` called with how many lines were lost: with those of this process so far, and then with each."""
        with self._lock:
            self._tell = tell
            if self._dropped:
                tell(self._dropped)

    def _write_alone(self, text: str) -> bool | None:
        """Write a line while no other waits: whether it is out, or None when it would have to wait."""
        line = self._add(text, counts=False)
        self._drain()
        if line.is_out is None and not line.is_begun:
            self._withdraw(line)
        return line.is_out

    def _add(self, text: str, *, counts: bool = True) -> _Line:
        # Half a character that is written as two stays readable, and is JSON.
        line = _Line(f"{text}\n".encode(errors="backslashreplace"), counts)
        self._waiting.append(line)
        self._size += len(line.data)
        return line

    def _withdraw(self, line: _Line) -> None:
        # A line break in front of it ends what another line has left.
        self._is_torn = self._is_torn or line.is_begun or line.data.startswith(b"\n")
        self._waiting.remove(line)
        self._size -= len(line.data)

    def _lose(self, line: _Line) -> None:
        self._withdraw(line)
        line.is_out = False
        self._is_failing = True
        if line.counts:
            self._lost_at = time.monotonic()
            self._dropped += 1
            if self._tell:
                self._tell(1)

    def _drain(self) -> None:
        """Write what waits, as far as it goes at once."""
        if self._is_draining:
            return
        self._is_draining = True
        try:
            while self._waiting:
                line = self._waiting[0]
                self._tried_at = time.monotonic()
                try:
                    self._write_some(line)
                except BlockingIOError:
                    while self._waiting and self._tried_at - self._waiting[0].since > PATIENCE_SECONDS:
                        self._lose(self._waiting[0])
                    return
                except OSError:
                    self._lose(line)
        finally:
            self._is_draining = False

    def _write_some(self, line: _Line) -> None:
        found = self._look()
        is_new = not line.is_begun and not line.data.startswith(b"\n")
        if is_new and self._ends_amid_a_line(found):
            line.data = b"\n" + line.data
            self._size += 1
            self._is_torn = False
        sent = self._send(line.data)
        line.data, line.is_begun = line.data[sent:], True
        self._size -= sent
        if not line.data:
            self._waiting.popleft()
            line.is_out = True
            self._is_failing = False

    def _look(self) -> os.stat_result:
        """What the descriptor is by now, opened anew should it be another than before."""
        if self._descriptor is None:
            raise OSError("it was closed before this process began")
        found = os.fstat(self._descriptor)
        if self._identity != (found.st_dev, found.st_ino):
            self._send = _way_into(self._descriptor, found.st_mode)
            if self._reader is not None:
                os.close(self._reader)
            self._reader = _reader_of(self._descriptor) if stat.S_ISREG(found.st_mode) else None
            self._identity = (found.st_dev, found.st_ino)
        return found

    def _ends_amid_a_line(self, found: os.stat_result) -> bool:
        """Whether a line was cut: our own, or in a file whose disk was full another process's."""
        if self._reader is None or not found.st_size:
            return self._is_torn
        return os.pread(self._reader, 1, found.st_size - 1) not in {b"\n", b""}

    def _look_after(self) -> None:
        """Have what waits written or lost by a thread (a greenlet under gevent), should no further line come."""
        if self._is_looked_after:
            return
        self._is_looked_after = True
        try:
            # Not a daemon: a process that ends gives its last lines the same patience.
            threading.Thread(target=self._go_on, name="log-output").start()
        except RuntimeError:
            # There is no thread to be had, or the process ends: the next line takes these along.
            self._is_looked_after = False

    def _go_on(self) -> None:
        while True:
            time.sleep(_PAUSE_SECONDS)
            with self._lock:
                self._drain()
                if not self._waiting:
                    self._is_looked_after = False
                    return


class LineStream(io.TextIOBase):
    """A text stream in the place of ``sys.stdout`` or ``sys.stderr``: tracebacks and warnings go the way of the log."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, output: LineOutput, descriptor: int) -> None:
        super().__init__()
        self._output = output
        self._descriptor = descriptor
        self._begun = ""

    def writable(self) -> bool:
        """It is there to be written to."""
        return True

    def fileno(self) -> int:
        """Where it all goes."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Keep what has no end yet, and write whole lines."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._output.write(line)
        return len(text)


def is_standard_output(stream: TextIO | None) -> bool:
    """Whether ``sys.stdout`` is what this process was started with, and nothing that somebody put into its place."""
    return stream is sys.__stdout__ or isinstance(stream, LineStream)


def protect_standard_streams() -> None:
    """Have nothing of this process wait for, or fail at, the readers of its standard output and error."""
    sys.stdout = LineStream(STANDARD_OUTPUT, 1)
    sys.stderr = LineStream(STANDARD_ERROR, 2)


def _closed(_data: bytes) -> int:
    raise OSError("nothing was opened")


def _way_into(descriptor: int, mode: int) -> Send:
    """How to write to this descriptor without waiting. Raises OSError where nobody would read it."""
    if stat.S_ISREG(mode):
        return lambda data: os.write(descriptor, data)
    if stat.S_ISSOCK(mode):
        # Not socket.socket: gevent's sets flags.
        sock = _socket.socket(fileno=os.dup(descriptor))
        return lambda data: sock.send(data, _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL)
    try:
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (PermissionError, FileNotFoundError):
        # Somebody else's pipe, or no /proc.
        if stat.S_ISFIFO(mode) and hasattr(os, "splice"):
            return _spliced_into(descriptor)
        return lambda data: os.write(descriptor, data)
    if stat.S_ISFIFO(mode):
        return lambda data: os.write(own, _if_it_fits(own, data))
    return lambda data: os.write(own, data)


def _reader_of(file: int) -> int | None:
    """The file for reading, None where it is for writing alone."""
    with contextlib.suppress(OSError):
        return os.open(f"/proc/self/fd/{file}", os.O_RDONLY)
    return None


def _if_it_fits(pipe: int, data: bytes) -> bytes:
    """The line; raises BlockingIOError for a long one that would be cut in two, where another process may come between.

    Up to PIPE_BUF the system itself sees to it. One that is longer than the whole pipe goes when that is empty.
    """
    if len(data) > PIPE_BUF:
        found = bytearray(4)
        fcntl.ioctl(pipe, termios.FIONREAD, found)
        waiting = int.from_bytes(found, sys.byteorder)
        # What was written before may leave some of its first and of its last page unused.
        if waiting and fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) - waiting < len(data) + 2 * _PAGE:
            raise BlockingIOError
    return data


def _spliced_into(pipe: int) -> Send:
    """The same without opening it: moved there out of a pipe of our own, which takes a flag for this one call."""
    ours, entrance = os.pipe()
    os.set_blocking(entrance, False)

    def send(data: bytes) -> int:
        kept = os.write(entrance, _if_it_fits(pipe, data))
        moved = 0
        try:
            moved = os.splice(ours, pipe, kept, flags=os.SPLICE_F_NONBLOCK)
        finally:
            if moved < kept:
                os.read(ours, kept - moved)
        return moved

    return send


STANDARD_OUTPUT = LineOutput(None if sys.__stdout__ is None else 1, SILENT_SECONDS)
STANDARD_ERROR = LineOutput(None if sys.__stderr__ is None else 2)
