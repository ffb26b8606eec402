"""The trace of a request (W3C Trace Context), from the webhook to calls and jobs, and the id of the request itself."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NO_TRACE = "0" * 32
# The forms that proxies make: UUIDs and long hexadecimal numbers. A phone number is too short to match.
_REQUEST_ID = re.compile(r"[0-9a-fA-F-]{16,64}")


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace: everything that one request causes has its ``trace_id``, 32 hexadecimal digits."""

    trace_id: str

    def traceparent(self) -> str:
        """The ``traceparent`` header for a call: this trace, with a new span."""
        return f"00-{self.trace_id}-{secrets.token_hex(8)}-01"


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def read_traceparent(header: str | None) -> Trace:
    """The trace in a ``traceparent`` header, or a new one when there is none, or one of another form."""
    match = _TRACEPARENT.fullmatch(header or "")
    if match is None or match[1] == _NO_TRACE:
        return Trace(secrets.token_hex(16))
    return Trace(match[1])


def read_request_id(header: str | None) -> str:
    """The id in the proxy's ``X-Request-Id``, or a new one when there is none, or one of another form."""
    return header if header and _REQUEST_ID.fullmatch(header) else secrets.token_hex(16)


def follow(trace: Trace) -> None:
    """Make ``trace`` the trace of this thread (or greenlet) from here on."""
    _current.set(trace)


def current_trace() -> Trace:
    """The trace of this thread, or a new one when it follows none."""
    return _current.get() or Trace(secrets.token_hex(16))
