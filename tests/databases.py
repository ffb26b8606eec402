"""Empty databases for tests that need Redis and leave its server alone: one redis-server for each process of tests."""

from __future__ import annotations

import itertools
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from redis import Redis

from tests.servers import running_redis

# So many tests later nobody writes any more: a bot may note something in a thread that outlives its test.
DATABASES = 1000
_numbers = itertools.cycle(range(DATABASES))
_until_the_end = ExitStack()


def empty_database() -> dict[str, Any]:
    """Where a database is that nobody has used lately and that is empty: keywords for a client."""
    found: dict[str, Any] = {"unix_socket_path": _socket(), "db": next(_numbers)}
    with Redis(**found) as client:
        client.flushdb()
    return found


def end_server() -> None:
    """At the end of the run."""
    _until_the_end.close()


@cache
def _socket() -> str:
    # Short: the path of a socket may have no more than 107 characters.
    folder = Path(_until_the_end.enter_context(tempfile.TemporaryDirectory(prefix="msmebazaar-")))
    options = ("--unixsocket", str(folder / "redis"), "--databases", str(DATABASES))
    _until_the_end.enter_context(running_redis(folder, *options))
    return str(folder / "redis")
