"""The log: one JSON object a line on standard output, and never a phone number, a message, a code or a token."""

from __future__ import annotations

import json
import sys
from typing import Any

from simulator.clock import iso, utc_now


def log(event: str, **fields: Any) -> None:
    """Write one line. Callers give counts, states and route names only: nothing that belongs to a person."""
    line = {"time": iso(utc_now()), "event": event} | fields
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()
