"""Whole lines for a descriptor that other processes share: written without blocking, or dropped and counted.

The log must never hold up people's messages: its reader may be gone (EPIPE) or stand still, its disk may be full
(ENOSPC). A descriptor's flags belong to every process that shares it, so this module never switches it to non-blocking:
it opens a pipe or a terminal once more, for this process alone.
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

# A slow reader still gets a burst of lines; a line that waits for longer, or beyond this backlog, is dropped.
LONGEST_WAIT_SECONDS = 0.5
LARGEST_BACKLOG_BYTES = 256 * 1024
# For this long after a loss the output counts as failing, although lines are written again.
LOSS_SHOWN_SECONDS = 5.0
# Only a line proves that lines can be written: after this long without one, a check writes one.
SILENCE_SECONDS = 60.0
_RETRY_SECONDS = 0.01
_PAGE_BYTES = 4096

# Writes as much of the data as goes without blocking, and returns how many bytes; raises BlockingIOError for none.
Writer = Callable[[bytes], int]


@dataclass(slots=True, eq=False)
class _Line:
    """One line in the queue; ``data`` is its unwritten rest, ``is_counted`` says whether its loss is counted.

    ``is_written`` is None while it waits.
    """

    data: bytes
    is_counted: bool = True
    is_begun: bool = False
    is_written: bool | None = None
    queued_at: float = field(default_factory=time.monotonic)


class LineOutput:
    """Lines for one descriptor, None for one that was closed before this process began. No method raises.

    After ``silence_seconds`` without a line nobody knows whether lines can be written.
    """

    def __init__(self, descriptor: int | None, silence_seconds: float = float("inf")) -> None:
        self._descriptor = descriptor
        self._silence_seconds = silence_seconds
        self._identity: tuple[int, int] | None = None
        self._writer: Writer = _unopened
        self._file_reader: int | None = None
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        """Start anew, in a forked child too: the queued lines and the losses so far are the parent's."""
        # Reentrant: a signal's handler may write a line while one is being written.
        self._lock = threading.RLock()
        self._queue: deque[_Line] = deque()
        self._queued_bytes = 0
        self._is_flushing = False
        self._has_flusher = False
        self._ends_in_part = False
        self._on_loss: Callable[[int], None] | None = None
        self._lost_lines = 0
        self._tried_at = self._lost_at = -float("inf")
        self._is_failing = False

    def write(self, text: str) -> None:
        """Write a line now, or within LONGEST_WAIT_SECONDS when its reader is busy, or drop it."""
        with self._lock:
            line = self._enqueue(text)
            self._flush()
            if self._queued_bytes > LARGEST_BACKLOG_BYTES and line.is_written is None and not line.is_begun:
                self._drop(line)
            if self._queue:
                self._start_flusher()

    def write_and_confirm(self, text: str, wait_seconds: float = 0.0) -> bool:
        """Write a line and return whether it is written; wait up to ``wait_seconds`` for a busy reader.

        A line that is not written is not counted as lost: the caller knows, and acts on it.
        """
        deadline = time.monotonic() + wait_seconds
        while True:
            with self._lock:
                self._flush()
                if not self._queue and (is_written := self._write_alone(text)) is not None:
                    return is_written
            if time.monotonic() >= deadline:
                return False
            time.sleep(_RETRY_SECONDS)

    def is_working(self, check_line: Callable[[], str]) -> bool:
        """Whether lines are written; after a failure, or the silence, ``check_line`` makes a line to try it with."""
        with self._lock:
            self._flush()
            is_unknown = self._is_failing or time.monotonic() - self._tried_at > self._silence_seconds
            if is_unknown and not self._queue and self._write_alone(check_line()) is None:
                self._is_failing = True
            return not self._is_failing and time.monotonic() - self._lost_at > LOSS_SHOWN_SECONDS

    def report_losses(self, on_loss: Callable[[int], None]) -> None:
        """Call ``on_loss`` with the number of lines lost so far in this process, and then with each further loss."""
        with self._lock:
            self._on_loss = on_loss
            if self._lost_lines:
                on_loss(self._lost_lines)

    def _write_alone(self, text: str) -> bool | None:
        """Write a line while the queue is empty; whether it is written, None when it would have to wait."""
        line = self._enqueue(text, is_counted=False)
        self._flush()
        if line.is_written is None and not line.is_begun:
            self._remove(line)
        return line.is_written

    def _enqueue(self, text: str, *, is_counted: bool = True) -> _Line:
        # A lone surrogate stays readable, and stays JSON.
        line = _Line(f"{text}\n".encode(errors="backslashreplace"), is_counted)
        self._queue.append(line)
        self._queued_bytes += len(line.data)
        return line

    def _remove(self, line: _Line) -> None:
        # A line that begins with a line break was to end another one's part.
        self._ends_in_part = self._ends_in_part or line.is_begun or line.data.startswith(b"\n")
        self._queue.remove(line)
        self._queued_bytes -= len(line.data)

    def _drop(self, line: _Line) -> None:
        self._remove(line)
        line.is_written = False
        self._is_failing = True
        if line.is_counted:
            self._lost_at = time.monotonic()
            self._lost_lines += 1
            if self._on_loss:
                self._on_loss(1)

    def _flush(self) -> None:
        """Write as much of the queue as goes without blocking, and drop what has waited too long."""
        if self._is_flushing:
            return
        self._is_flushing = True
        try:
            while self._queue:
                line = self._queue[0]
                self._tried_at = time.monotonic()
                try:
                    self._write_part(line)
                except BlockingIOError:
                    while self._queue and self._tried_at - self._queue[0].queued_at > LONGEST_WAIT_SECONDS:
                        self._drop(self._queue[0])
                    return
                except OSError:
                    self._drop(line)
        finally:
            self._is_flushing = False

    def _write_part(self, line: _Line) -> None:
        """Write as much of the first line as goes at once. Raises OSError where nothing can be written."""
        status = self._inspect_descriptor()
        is_new = not line.is_begun and not line.data.startswith(b"\n")
        if is_new and self._ends_in_partial_line(status):
            line.data = b"\n" + line.data
            self._queued_bytes += 1
            self._ends_in_part = False
        written = self._writer(line.data)
        line.data, line.is_begun = line.data[written:], True
        self._queued_bytes -= written
        if not line.data:
            self._queue.popleft()
            line.is_written = True
            self._is_failing = False

    def _inspect_descriptor(self) -> os.stat_result:
        """The descriptor's status; another file or pipe behind it than before gets a writer of its own."""
        if self._descriptor is None:
            raise OSError("it was closed before this process began")
        status = os.fstat(self._descriptor)
        if self._identity != (status.st_dev, status.st_ino):
            self._writer = _open_writer(self._descriptor, status.st_mode)
            if self._file_reader is not None:
                os.close(self._file_reader)
            self._file_reader = _open_reader(self._descriptor) if stat.S_ISREG(status.st_mode) else None
            self._identity = (status.st_dev, status.st_ino)
        return status

    def _ends_in_partial_line(self, status: os.stat_result) -> bool:
        """Whether the last line was cut: our own, or another process's in a file whose disk was full."""
        if self._file_reader is None or not status.st_size:
            return self._ends_in_part
        return os.pread(self._file_reader, 1, status.st_size - 1) not in {b"\n", b""}

    def _start_flusher(self) -> None:
        """Have a thread (a greenlet under gevent) write or drop the queue, should no further line come."""
        if self._has_flusher:
            return
        self._has_flusher = True
        try:
            # Not a daemon: a process that ends waits as long for its last lines.
            threading.Thread(target=self._flush_until_empty, name="log-output").start()
        except RuntimeError:
            # No thread can be started, or the process ends: the next line flushes the queue.
            self._has_flusher = False

    def _flush_until_empty(self) -> None:
        while True:
            time.sleep(_RETRY_SECONDS)
            with self._lock:
                self._flush()
                if not self._queue:
                    self._has_flusher = False
                    return


class LineStream(io.TextIOBase):
    """A text stream for ``sys.stdout`` or ``sys.stderr``: tracebacks and warnings are written as the log is."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, output: LineOutput, descriptor: int) -> None:
        super().__init__()
        self._output = output
        self._descriptor = descriptor
        self._unfinished = ""

    def writable(self) -> bool:
        """It always is."""
        return True

    def fileno(self) -> int:
        """The descriptor that the lines are for."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Write the whole lines, and keep an unfinished one until its end comes."""
        *lines, self._unfinished = (self._unfinished + text).split("\n")
        for line in lines:
            self._output.write(line)
        return len(text)


def is_standard_output(stream: TextIO | None) -> bool:
    """Whether ``sys.stdout`` is the process's own, or a LineStream for it, and not another stream in its place."""
    return stream is sys.__stdout__ or isinstance(stream, LineStream)


def protect_standard_streams() -> None:
    """Keep this process from waiting for, or failing at, the readers of its standard output and error."""
    sys.stdout = LineStream(STANDARD_OUTPUT, 1)
    sys.stderr = LineStream(STANDARD_ERROR, 2)


def _unopened(_data: bytes) -> int:
    raise OSError("nothing was opened")


def _open_writer(descriptor: int, mode: int) -> Writer:
    """A writer that does not block. Raises OSError where the reader is gone."""
    if stat.S_ISREG(mode):
        return lambda data: os.write(descriptor, data)
    if stat.S_ISSOCK(mode):
        # Not socket.socket: gevent's sets flags.
        sock = _socket.socket(fileno=os.dup(descriptor))
        return lambda data: sock.send(data, _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL)
    try:
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (PermissionError, FileNotFoundError):
        # Another user's pipe, or no /proc.
        if stat.S_ISFIFO(mode) and hasattr(os, "splice"):
            return _splicing_writer(descriptor)
        return lambda data: os.write(descriptor, data)
    if stat.S_ISFIFO(mode):
        return lambda data: os.write(own, _whole(own, data))
    return lambda data: os.write(own, data)


def _open_reader(file: int) -> int | None:
    """The same file for reading, None where this process may only write to it."""
    with contextlib.suppress(OSError):
        return os.open(f"/proc/self/fd/{file}", os.O_RDONLY)
    return None


def _whole(pipe: int, data: bytes) -> bytes:
    """The data; raises BlockingIOError where a pipe would take only a part, and another process's line come between.

    The system keeps up to PIPE_BUF bytes together. Data that are longer than the pipe are written when it is empty.
    """
    if len(data) > PIPE_BUF:
        answer = bytearray(4)
        fcntl.ioctl(pipe, termios.FIONREAD, answer)
        unread = int.from_bytes(answer, sys.byteorder)
        # Earlier writes may leave parts of their first and of their last page unused.
        if unread and fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) - unread < len(data) + 2 * _PAGE_BYTES:
            raise BlockingIOError
    return data


def _splicing_writer(pipe: int) -> Writer:
    """A writer for a pipe that cannot be opened again: it moves data there from a pipe of its own without blocking."""
    own_end, entrance = os.pipe()
    os.set_blocking(entrance, False)

    def write(data: bytes) -> int:
        kept = os.write(entrance, _whole(pipe, data))
        moved = 0
        try:
            moved = os.splice(own_end, pipe, kept, flags=os.SPLICE_F_NONBLOCK)
        finally:
            if moved < kept:
                os.read(own_end, kept - moved)
        return moved

    return write


STANDARD_OUTPUT = LineOutput(None if sys.__stdout__ is None else 1, SILENCE_SECONDS)
STANDARD_ERROR = LineOutput(None if sys.__stderr__ is None else 2)
