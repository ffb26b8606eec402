"""The log: one JSON object a line, with the trace's id, and never a person's number, name, message or token."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from onboarding_bot.observability.line_output import (
    PATIENCE_SECONDS,
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
    # Libraries speak up only when something is wrong, whatever level they give their own loggers: their chatter may
    # quote URLs and bodies.
    handler.setLevel(max(numeric, logging.WARNING))
    logging.basicConfig(level=handler.level, handlers=[handler], force=True)


def logger() -> FilteringBoundLogger:
    """The bot's logger; name an event and give it fields."""
    log: FilteringBoundLogger = structlog.get_logger()
    return log


def audit_log() -> FilteringBoundLogger:
    """As ``logger``, but heard at every level: whoever turns the log down still learns who did what."""
    return _at_every_level(_Lines())


def audit(event: str, *, level: int = logging.INFO, may_wait: bool = False, **fields: Any) -> bool:
    """Write such a line, and say whether it is out.

    ``may_wait`` gives a busy reader a moment. Whoever is told no refuses the deed, or writes the line later.
    """
    return bool(_at_every_level(_SureLines(PATIENCE_SECONDS if may_wait else 0.0)).log(level, event, **fields))


def log_is_well() -> bool:
    """Whether lines get out of this process."""
    return not is_standard_output(sys.stdout) or (STANDARD_OUTPUT.is_well(_proof) and STANDARD_ERROR.is_well(_proof))


def tell_lost_lines(tell: Callable[[int], None]) -> None:
    """Have ``tell`` called with how many lines were lost, those so far and then each."""
    for output in (STANDARD_OUTPUT, STANDARD_ERROR):
        output.tell_losses(tell)


class LineHandler(logging.Handler):
    """Writes a library's records as lines, to ``output`` or where the log goes; what cannot be written is lost."""

    def __init__(self, output: LineOutput | None = None) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """One record, one line."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - logging's own way: a record that cannot be put into words stops nobody
            self.handleError(record)
            return
        if self._output:
            self._output.write(line)
        else:
            _write(line)


def audit_line(**what: Any) -> str:
    """The same as one line of text, for a program whose standard output is not the log."""
    event: EventDict = {"event": "audit", **what}
    for processor in _PROCESSORS:
        event = processor(None, "info", event)  # type: ignore[assignment]
    return str(event)


def describe(error: BaseException) -> dict[str, Any]:
    """An error for the log: its kind and where it came from. Its message may quote a person, so it stays out."""
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
    """What structlog hands its lines to."""

    def __init__(self, *_names: object) -> None:
        """Structlog names a logger here; all are the same."""

    def msg(self, line: str) -> None:
        """Write it, or lose it."""
        _write(line)

    debug = info = warning = error = critical = msg


class _SureLines:
    def __init__(self, patience: float) -> None:
        self._patience = patience

    def msg(self, line: str) -> bool:
        """Write it, and say whether it is out."""
        if is_standard_output(sys.stdout):
            return STANDARD_OUTPUT.write_surely(line, self._patience)
        return _write_elsewhere(line)

    debug = info = warning = error = critical = msg


def _at_every_level(lines: _Lines | _SureLines) -> FilteringBoundLogger:
    log: FilteringBoundLogger = structlog.wrap_logger(
        lines, processors=_PROCESSORS, wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET)
    )
    return log


def _write(line: str) -> None:
    if is_standard_output(sys.stdout):
        STANDARD_OUTPUT.write(line)
    else:
        _write_elsewhere(line)


def _write_elsewhere(line: str) -> bool:
    """Into what somebody has put into the place of standard output."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except (OSError, ValueError):  # it is full, or was closed
        return False
    return True


def _proof() -> str:
    """A line that is written only to see whether lines can be."""
    event: EventDict = {"event": "log_checked"}
    for processor in _PROCESSORS:
        event = processor(None, "info", event)  # type: ignore[assignment]
    return str(event)


class _LibraryFormatter(logging.Formatter):
    """A library's record as a JSON line: where it comes from and its fixed text, without what was filled in."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        event: EventDict = {"event": "library", "library": record.name, "text": text}
        if record.exc_info and record.exc_info[1]:
            event.update(describe(record.exc_info[1]))
        method = record.levelname.lower()
        for processor in _PROCESSORS:
            event = processor(None, method, event)  # type: ignore[assignment]
        return str(event)
