"""When a request reached this machine, by the kernel's word, however long the simulator was kept from reading it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Any

from gevent.pywsgi import WSGIHandler

WAITED = "simulator.waited_seconds"
# tcp_info of Linux (linux/tcp.h): eight bytes, then 32-bit numbers, of which the twelfth is tcpi_last_data_recv in ms.
_LAST_DATA_RECEIVED = struct.Struct("52x I")


class ArrivalHandler(WSGIHandler):  # type: ignore[misc]
    """Notes in the environment of each request for how long it has waited to be read."""

    def get_environ(self) -> dict[str, Any]:
        """The environment of this request."""
        environ: dict[str, Any] = super().get_environ()
        information = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_RECEIVED.size)
        (milliseconds,) = _LAST_DATA_RECEIVED.unpack(information)
        environ[WAITED] = milliseconds / 1000
        return environ


def waited_seconds(environ: Mapping[str, Any]) -> float:
    """For how long a request waited before it was read; 0 for one that came by no socket."""
    return float(environ.get(WAITED, 0.0))
