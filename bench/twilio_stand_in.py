"""Twilio's send call and nothing more: takes its time, accepts everything, and tells when what arrived.

``python -m bench.twilio_stand_in PORT MILLISECONDS`` listens until it is ended; GET answers the times of arrival.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class StandIn:
    """Holds each call for ``delay`` seconds."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._arrivals: list[float] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, for as long as the client keeps it."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                await reader.readexactly(int(length[1]) if length else 0)
                writer.write(self._figures() if head.startswith(b"GET") else await self._accept())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _accept(self) -> bytes:
        self._arrivals.append(time.time())
        sid = f"SM{len(self._arrivals):032x}"
        await asyncio.sleep(self._delay)
        return _answer("201 Created", json.dumps({"sid": sid}))

    def _figures(self) -> bytes:
        return _answer("200 OK", json.dumps(self._arrivals))


def _answer(status: str, body: str) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def main(port: int, milliseconds: int) -> None:
    """Listen until the process is ended."""
    stand_in = StandIn(milliseconds / 1000)
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
