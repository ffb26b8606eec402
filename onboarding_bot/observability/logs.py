"""The log: one JSON object a line, with the trace's id, and never a person's number, name, message or token.

Lines go to standard output, without ever waiting long for their reader (``line_output``).
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from onboarding_bot.observability.line_output import (
    LONGEST_WAIT_SECONDS,
    STANDARD_ERROR,
    STANDARD_OUTPUT,
    LineOutput,
    is_standard_output,
)
from onboarding_bot.observability.tracing import current_trace


def configure_logs(level: str) -> None:
    """Write JSON lines to standard output from ``level`` upwards, libraries' own records included."""
    numeric = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=_Lines,
        cache_logger_on_first_use=False,
    )
    handler = LineHandler()
    handler.setFormatter(_LibraryFormatter())
    # Libraries log from WARNING upwards, also where their own loggers have a lower level: below that they quote URLs
    # and bodies.
    handler.setLevel(max(numeric, logging.WARNING))
    logging.basicConfig(level=handler.level, handlers=[handler], force=True)


def logger() -> FilteringBoundLogger:
    """The bot's logger; name an event and give it fields."""
    log: FilteringBoundLogger = structlog.get_logger()
    return log


def audit_log() -> FilteringBoundLogger:
    """A logger whose lines are written at every LOG_LEVEL: for who did what to whom."""
    return _at_every_level(_Lines())


def audit(event: str, *, level: int = logging.INFO, may_wait: bool = False, **fields: Any) -> bool:
    """Write a line at every LOG_LEVEL, and return whether it is written.

    With ``may_wait`` it waits up to half a second for a busy reader. A caller that gets False refuses what the line was
    to record, or writes the line later.
    """
    lines = _ConfirmedLines(LONGEST_WAIT_SECONDS if may_wait else 0.0)
    return bool(_at_every_level(lines).log(level, event, **fields))


def log_is_well() -> bool:
    """Whether the lines of this process are written."""
    if not is_standard_output(sys.stdout):
        return True
    return STANDARD_OUTPUT.is_working(_check_line) and STANDARD_ERROR.is_working(_check_line)


def report_lost_lines(on_loss: Callable[[int], None]) -> None:
    """Call ``on_loss`` with the number of lines lost so far in this process, and then with each further loss."""
    for output in (STANDARD_OUTPUT, STANDARD_ERROR):
        output.report_losses(on_loss)


class LineHandler(logging.Handler):
    """Writes a library's records as lines, to ``output`` or to the log; a line that cannot be written is lost."""

    def __init__(self, output: LineOutput | None = None) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as one line."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as logging does: a record that cannot be formatted ends no caller
            self.handleError(record)
            return
        if self._output:
            self._output.write(line)
        else:
            _write(line)


def audit_line(**what: Any) -> str:
    """An ``audit`` line as text, for a program whose standard output is not the log."""
    return _line({"event": "audit", **what}, "info")


def describe(error: BaseException) -> dict[str, Any]:
    """The fields that describe an error in the log: its class and its frames; its message may quote a person."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": type(error).__name__,
        "where": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames[-8:]],
    }


def _add_trace(_logger: object, _method: str, event: EventDict) -> EventDict:
    event.setdefault("trace_id", current_trace().trace_id)
    return event


_PROCESSORS: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    _add_trace,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.JSONRenderer(ensure_ascii=False),
]


class _Lines:
    """The logger that structlog hands its lines to."""

    def __init__(self, *_names: object) -> None:
        """Structlog gives a name; all loggers are the same."""

    def msg(self, line: str) -> None:
        """Write a line, or lose it."""
        _write(line)

    debug = info = warning = error = critical = msg


class _ConfirmedLines:
    """The same, and each call returns whether its line is written."""

    def __init__(self, wait_seconds: float) -> None:
        self._wait_seconds = wait_seconds

    def msg(self, line: str) -> bool:
        """Write a line, and return whether it is written."""
        if is_standard_output(sys.stdout):
            return STANDARD_OUTPUT.write_and_confirm(line, self._wait_seconds)
        return _write_to_replaced_output(line)

    debug = info = warning = error = critical = msg


def _at_every_level(lines: _Lines | _ConfirmedLines) -> FilteringBoundLogger:
    log: FilteringBoundLogger = structlog.wrap_logger(
        lines, processors=_PROCESSORS, wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET)
    )
    return log


def _write(line: str) -> None:
    if is_standard_output(sys.stdout):
        STANDARD_OUTPUT.write(line)
    else:
        _write_to_replaced_output(line)


def _write_to_replaced_output(line: str) -> bool:
    """Write to the stream that a test or a program has put in the place of ``sys.stdout``."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except (OSError, ValueError):  # the stream is full, or was closed
        return False
    return True


def _check_line() -> str:
    """A line that is written only to find out whether lines can be written."""
    return _line({"event": "log_checked"}, "info")


def _line(event: EventDict, level: str) -> str:
    """An event as the JSON line that structlog would write."""
    for processor in _PROCESSORS:
        event = processor(None, level, event)  # type: ignore[assignment]
    return str(event)


class _LibraryFormatter(logging.Formatter):
    """A library's record as a JSON line: the library and its fixed text, without the values filled into it."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        event: EventDict = {"event": "library", "library": record.name, "text": text}
        if record.exc_info and record.exc_info[1]:
            event.update(describe(record.exc_info[1]))
        return _line(event, record.levelname.lower())
