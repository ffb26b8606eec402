"""The trace that a request belongs to (W3C Trace Context), from the webhook in to calls and jobs out; its own id."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NO_TRACE = "0" * 32
# What proxies make themselves: UUIDs and long hexadecimal numbers. A phone number is too short to pass for one.
_REQUEST_ID = re.compile(r"[0-9a-fA-F-]{16,64}")


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace: ``trace_id`` is shared by everything that one request causes."""

    trace_id: str

    def traceparent(self) -> str:
        """The header for a call out: this trace, with a span of its own."""
        return f"00-{self.trace_id}-{secrets.token_hex(8)}-01"


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def read_traceparent(header: str | None) -> Trace:
    """The trace that the caller began, or a new one when it sent none, or a broken one."""
    match = _TRACEPARENT.fullmatch(header or "")
    if match is None or match[1] == _NO_TRACE:
        return Trace(secrets.token_hex(16))
    return Trace(match[1])


def read_request_id(header: str | None) -> str:
    """The id that the proxy gave this request, or a new one when it gave none, or one of another shape."""
    return header if header and _REQUEST_ID.fullmatch(header) else secrets.token_hex(16)


def follow(trace: Trace) -> None:
    """From here on this thread's work (or greenlet's) belongs to ``trace``."""
    _current.set(trace)


def current_trace() -> Trace:
    """The trace at hand; work that nobody asked for from outside begins one of its own."""
    return _current.get() or Trace(secrets.token_hex(16))
