"""The log: one JSON object a line, with the trace's id, and never a person's number, name, message or token."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from onboarding_bot.tracing import current_trace


def configure_logs(level: str) -> None:
    """Write JSON lines to standard output from ``level`` upwards, libraries' own records included."""
    numeric = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.WriteLoggerFactory(),  # a line in one piece: several processes write into one log
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
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
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(),
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
    )
    return log


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
