"""Lines that hold nobody up: written whole, or lost and counted, whatever is behind the descriptor."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from onboarding_bot.observability import line_output
from onboarding_bot.observability.line_output import LONGEST_WAIT_SECONDS, LineOutput, LineStream

SMALLEST_PIPE = 4096


@contextmanager
def pipe(size: int = SMALLEST_PIPE) -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, size)
    try:
        yield reader, writer
        assert os.get_blocking(writer), "its flags belong to everybody"
    finally:
        os.close(writer)
        os.close(reader)


class Losses:
    """The losses that an output has reported."""

    def __init__(self, output: LineOutput) -> None:
        self.count = 0
        output.report_losses(self.add)

    def add(self, count: int) -> None:
        self.count += count


def check_line() -> str:
    return "check"


def wait_until(condition: Any) -> None:
    """Return when the condition holds."""
    done = threading.Event()
    for _ in range(1000):
        if condition():
            return
        done.wait(0.02)
    raise AssertionError("never seen")


def fill(writer: int) -> None:
    os.write(writer, b"x" * SMALLEST_PIPE)


@pytest.fixture(params=["opened once more", "another's pipe"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "another's pipe":
        real = os.open

        def refuse(path: str, *arguments: Any, **named: Any) -> int:
            if str(path).startswith("/proc/self/fd/"):
                raise PermissionError(path)
            return real(path, *arguments, **named)

        monkeypatch.setattr(os, "open", refuse)


@pytest.mark.usefixtures("_way")
def test_a_burst_waits_for_a_reader_that_is_slow() -> None:
    with pipe(8 * SMALLEST_PIPE) as (reader, writer):
        output, lines = LineOutput(writer), [f"line {number} {'x' * 150}" for number in range(300)]
        losses = Losses(output)
        for line in lines:
            output.write(line)
        found = b""
        while found.count(b"\n") < len(lines):
            found += os.read(reader, 500)
        assert found.decode().splitlines() == lines
        assert losses.count == 0
        assert output.is_working(check_line)


@pytest.mark.usefixtures("_way")
def test_what_a_reader_that_stands_still_does_not_take_is_lost_and_counted() -> None:
    with pipe() as (reader, writer):
        output = LineOutput(writer)
        losses = Losses(output)
        fill(writer)
        for number in range(10):
            output.write(str(number))
        assert not output.write_and_confirm("the audit line"), "nobody would know that it is not written"
        wait_until(lambda: losses.count == 10)
        assert not output.is_working(check_line)
        assert os.read(reader, SMALLEST_PIPE) == b"x" * SMALLEST_PIPE
        assert output.write_and_confirm("again")
        assert os.read(reader, SMALLEST_PIPE) == b"again\n"


def test_a_busy_reader_is_waited_for_where_the_line_must_be_out() -> None:
    with pipe() as (reader, writer):
        output = LineOutput(writer)
        fill(writer)
        threading.Timer(LONGEST_WAIT_SECONDS / 10, lambda: os.read(reader, SMALLEST_PIPE)).start()
        assert output.write_and_confirm("the audit line", LONGEST_WAIT_SECONDS * 20)


def test_the_backlog_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_output, "LARGEST_BACKLOG_BYTES", 1000)
    monkeypatch.setattr(line_output, "LONGEST_WAIT_SECONDS", 5)
    with pipe() as (reader, writer):
        output = LineOutput(writer)
        losses = Losses(output)
        fill(writer)
        for number in range(20):
            output.write(f"{number:099}")
        assert losses.count == 10
        os.read(reader, SMALLEST_PIPE)
        found = b""
        while found.count(b"\n") < 10:
            found += os.read(reader, SMALLEST_PIPE)
        assert [int(line) for line in found.splitlines()] == list(range(10))


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("length", [SMALLEST_PIPE - 1, SMALLEST_PIPE, 3 * SMALLEST_PIPE])
def test_a_long_line_is_whole_even_where_the_pipe_is_shorter(length: int) -> None:
    with pipe() as (reader, writer):
        output = LineOutput(writer)
        losses = Losses(output)
        output.write("before")
        output.write("x" * length)
        output.write("after")
        found = b""
        while found.count(b"\n") < 3:
            found += os.read(reader, 1000)
        assert found.decode().splitlines() == ["before", "x" * length, "after"]
        assert losses.count == 0


def closed_reader() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def stuck_socket() -> int:
    ours, theirs = socket.socketpair()
    theirs.close()
    return ours.detach()


@pytest.mark.parametrize(
    "open_it",
    [
        pytest.param(closed_reader, id="the reader is gone"),
        pytest.param(lambda: os.open("/dev/full", os.O_WRONLY), id="the disk is full"),
        pytest.param(stuck_socket, id="the journal is gone"),
        pytest.param(lambda: os.open(__file__, os.O_RDONLY), id="not open for writing"),
    ],
)
def test_what_cannot_be_written_is_lost_at_once(open_it: Any) -> None:
    descriptor = open_it()
    try:
        output = LineOutput(descriptor)
        output.write("lost before anybody counts")
        losses = Losses(output)
        output.write("lost")
        assert losses.count == 2
        assert not output.write_and_confirm("the audit line", LONGEST_WAIT_SECONDS)
        assert not output.is_working(check_line)
    finally:
        os.close(descriptor)


def test_a_log_that_was_closed_before_takes_nothing() -> None:
    """Its number may belong to a connection by now."""
    output = LineOutput(None)
    losses = Losses(output)
    output.write("lost")
    assert losses.count == 1


def test_a_file_that_was_cut_goes_on_with_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Two processes with one log: each has to see what the other has left.
    ours, theirs = LineOutput(descriptor), LineOutput(descriptor)
    losses = Losses(ours)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (25, hard))
        ours.write("a whole line")
        ours.write("a line that is cut")
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    theirs.write("theirs")
    ours.write("ours")
    os.close(descriptor)
    assert path.read_text().splitlines() == ["a whole line", "a line that ", "theirs", "ours"]
    assert losses.count == 1


def test_after_a_silence_a_line_is_written_to_find_out(tmp_path: Path) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    output = LineOutput(descriptor, silence_seconds=60)
    assert output.is_working(check_line)
    assert output.is_working(check_line), "once is enough for a minute"
    os.close(descriptor)
    assert path.read_text() == "check\n"


def test_a_log_that_is_mended_is_well_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_output, "LOSS_SHOWN_SECONDS", -1.0)
    descriptor = os.open("/dev/full", os.O_WRONLY)
    output = LineOutput(descriptor)
    output.write("lost")
    assert not output.is_working(check_line)
    mended = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(mended, descriptor)
    assert output.is_working(check_line), "the line was written"
    os.close(mended)
    os.close(descriptor)


def test_a_child_leaves_its_parents_lines_to_the_parent() -> None:
    with pipe() as (reader, writer):
        output = LineOutput(writer)
        fill(writer)
        output.write("the parent's")
        child = os.fork()
        if not child:
            output.write_and_confirm("the child's", 20)
            os._exit(0)
        found = os.read(reader, SMALLEST_PIPE)
        while found.count(b"\n") < 2:
            found += os.read(reader, SMALLEST_PIPE)
        assert os.waitpid(child, 0)[1] == 0
        assert sorted(found.strip(b"x").decode().splitlines()) == ["the child's", "the parent's"]


def test_half_a_character_stops_no_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    LineOutput(descriptor).write('"\ud83d"')
    os.close(descriptor)
    assert path.read_text() == '"\\ud83d"\n'


def test_a_stream_writes_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    stream = LineStream(LineOutput(descriptor), descriptor)
    print("a traceback", "in parts", file=stream)
    stream.write("half")
    assert path.read_text() == "a traceback in parts\n"
    print(" a line", file=stream, flush=True)
    os.close(descriptor)
    assert path.read_text() == "a traceback in parts\nhalf a line\n"
    assert (stream.fileno(), stream.writable(), stream.isatty()) == (descriptor, True, False)
