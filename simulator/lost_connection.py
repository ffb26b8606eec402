"""A connection that ends without an answer."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from flask import Response


def lost_connection() -> Response:
    # Nobody gets this status, but the log has to say something.
    return Response(_hang_up(), status=502)


def _hang_up() -> Iterator[bytes]:
    # The server sends its status line with the first byte of the body: a lost connection before it leaves nothing.
    raise ConnectionResetError(errno.ECONNRESET, "told to hang up")
    yield b""
