"""Work that nobody waits for: how it is started, and how long it pauses."""

from __future__ import annotations

import threading
from collections.abc import Callable

Work = Callable[[], None]
# Tests run the work at once and do not sleep.
Background = Callable[[Work], None]
Sleep = Callable[[float], None]


def in_background(work: Work) -> None:
    """A thread of its own, which under gevent is a greenlet; it does not keep the process alive."""
    threading.Thread(target=work, daemon=True).start()
