"""The progress of long work: reported by the work itself, and shown on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHOWN_EVERY_SECONDS = 0.2

# Called with what is counted, how many there were so far, and of how many (None: nobody knows yet).
Progress = Callable[[str, int, int | None], None]


def ignore_progress(_what: str, _done: int, _total: int | None) -> None:
    """A ``Progress`` that shows nothing."""


@contextmanager
def shown_on_terminal() -> Iterator[Progress]:
    """Show progress in one line of standard error, and take it away at the end; where that is no terminal, nowhere."""
    if not sys.stderr.isatty():
        yield ignore_progress
        return
    width, shown_at = 0, -SHOWN_EVERY_SECONDS

    def show(what: str, done: int, total: int | None) -> None:
        nonlocal width, shown_at
        if done != total and time.monotonic() - shown_at < SHOWN_EVERY_SECONDS:
            return
        line = f"{what}: {done:,}" if total is None else f"{what}: {done:,} of {total:,}"
        # Spaces clear what stood there, because not every terminal has a sequence for that.
        print(f"\r{line:{width}}", end="", file=sys.stderr, flush=True)
        width, shown_at = len(line), time.monotonic()

    try:
        yield show
    finally:
        if width:
            print(f"\r{'':{width}}\r", end="", file=sys.stderr, flush=True)
