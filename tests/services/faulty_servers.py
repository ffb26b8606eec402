"""Servers on loopback that answer as no server should: late, in part, or in another protocol."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Serve = Callable[[socket.socket, threading.Event], None]


@contextmanager
def listening(serve: Serve) -> Iterator[tuple[str, list[bytes]]]:
    """A server on loopback that reads each request and leaves the answer to ``serve``."""
    over = threading.Event()
    heard: list[bytes] = []
    threads: list[threading.Thread] = []

    def converse(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(120)
            try:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(65536)
                heard.append(request)
                serve(connection, over)
            except OSError:
                return

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=converse, args=(connection,), daemon=True))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
    for thread in (acceptor, *threads):
        thread.join(timeout=120)


DRIP_SECONDS = 0.05


def drip(parts: bytes) -> Serve:
    """Sends a byte every DRIP_SECONDS: each one comes in time, all of them together do not."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        for byte in parts:
            if over.wait(DRIP_SECONDS):
                return
            connection.sendall(bytes([byte]))

    return serve


def hang(_connection: socket.socket, over: threading.Event) -> None:
    over.wait(120)


def reset(connection: socket.socket, _over: threading.Event) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def close(connection: socket.socket, _over: threading.Event) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def half_a_body(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"success": true}')
    connection.shutdown(socket.SHUT_RDWR)


def hang_in_the_body(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"success": true}')
    over.wait(120)


def broken_chunks(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n")
    connection.shutdown(socket.SHUT_RDWR)


def not_compressed(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello")


def not_http(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    connection.shutdown(socket.SHUT_RDWR)
