"""The simulator's entry: ``python -m simulator`` serves everything from one process until it is told to stop."""

# Before any other import: what is imported later must find the patched modules.
from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402
import os
import signal
import socket
import sqlite3
import sys

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from simulator.app import create_simulator
from simulator.arrival import ArrivalHandler
from simulator.logs import log
from simulator.settings import SettingsError, load_settings, read_environment

_MAX_CONNECTIONS = 2000
_BACKLOG = 256
# Short: a browser holds its idle connections open, and they look like requests in hand.
_GRACE_SECONDS = 0.5


def main() -> int:
    try:
        settings = load_settings(read_environment())
    except SettingsError as error:
        for fault in error.faults:
            print(f"setting {fault}", file=sys.stderr)
        return 1
    try:
        # The port comes first: a second simulator must not touch the database of the one that is running.
        listener = socket.create_server((settings.host, settings.port), backlog=_BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        print(f"cannot listen on {settings.host}:{settings.port}: {reason}", file=sys.stderr)
        return 1
    # Accepted connections inherit it. The server sends head and body apart: without it the body waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        simulator = create_simulator(settings)
    except (OSError, sqlite3.Error) as error:
        print(f"cannot open the database {settings.database}: {error}", file=sys.stderr)
        return 1
    server = WSGIServer(listener, simulator.app, spawn=Pool(_MAX_CONNECTIONS), log=None, handler_class=ArrivalHandler)
    server.start()
    told_to_stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, told_to_stop.set)
    log("listening", url=settings.public_url, bot=settings.bot_url)
    told_to_stop.wait()
    simulator.events.close()
    server.stop(timeout=_GRACE_SECONDS)
    simulator.close()
    log("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
