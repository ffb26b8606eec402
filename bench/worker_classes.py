"""Which gunicorn worker class serves best: alone, and while the auth API hangs on 50 conversations.

``python -m bench.worker_classes`` starts a redis-server, a hanging auth API and gunicorn for each class in turn, on
this machine, and prints ratios to the first class.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from bench.load import Measured, Owner, measure

CLASSES = {
    "gevent": ["-k", "gevent"],
    "gthread 8": ["-k", "gthread", "--threads", "8"],
    "gthread 64": ["-k", "gthread", "--threads", "64"],
    "sync": ["-k", "sync"],
}
HANGING = 50
WRITING = 16
SECONDS = 4.0
HANG_SECONDS = 7.0
TOKEN = "token-of-the-bench"


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class HangingAuthApi:
    """Accepts every connection and answers nobody."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            self._held.append(self._socket.accept()[0])


@contextmanager
def process(
    *command: str, log: Path = Path(os.devnull), environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child that ends with the block; what it prints goes into ``log``."""
    with log.open("wb") as printed:
        child = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=printed)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def wait_for(url: str) -> None:
    """Return when ``url`` answers."""
    for _ in range(200):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{url} does not answer")


def bench(options: list[str], redis_port: int) -> tuple[Measured, Measured]:
    """Measure one class: alone, and beside conversations that hang."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "FLASK_ENV": "production",
        # Each owner writes without a break; what is measured is the answers.
        "MESSAGES_PER_MINUTE": "100000",
        "PORT": str(port),
        "PUBLIC_BASE_URL": url,
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "AUTH_API_URL": HangingAuthApi().url,
        "AUTH_API_DEADLINE_SECONDS": str(int(HANG_SECONDS)),
        "WEB_APP_URL": url,
        "ADMIN_API_KEY": "admin-key-of-the-bench",
        "HANDOFF_API_KEY": "handoff-key-of-the-bench",
        "SESSION_ENCRYPTION_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "PERSON_ID_KEY": "person-key-of-the-bench",
        "SUPPORT_CONTACT": "nobody",
        "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "LOG_LEVEL": "WARNING",
    }
    gunicorn = (sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", *options, "main:app")
    with process(*gunicorn, environment=environment):
        wait_for(f"{url}/health/live")
        writers = [Owner(url, TOKEN, f"whatsapp:+9198{port:05}{number:03}") for number in range(WRITING)]
        for writer in writers:
            writer.answers_everything()
        alone = measure(writers, SECONDS)
        hangers = [Owner(url, TOKEN, f"whatsapp:+9199{port:05}{number:03}") for number in range(HANGING)]
        for number, hanger in enumerate(hangers):
            for text in ("Hi", "Asha Devi", "7", "560001", f"98765{port:05}"[:8] + f"{number:02}"):
                hanger.says(text)
        threads = [threading.Thread(target=hanger.says, args=("YES",)) for hanger in hangers]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        beside = measure(writers, SECONDS)
        for thread in threads:
            thread.join()
        return alone, beside


def main() -> None:
    """Print one line for each class."""
    redis = shutil.which("redis-server") or sys.exit("this bench needs redis-server")
    redis_port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        process(redis, "--port", str(redis_port), "--save", "", "--dir", folder),
    ):
        time.sleep(0.5)
        print(f"{WRITING} owners write; then {HANGING} more hang in the auth API. Ratios are to {next(iter(CLASSES))}.")
        print("worker class   msg/s  ratio  p95 ms | while 50 hang: msg/s  p95 ms   kept")
        first: Measured | None = None
        for name, options in CLASSES.items():
            alone, beside = bench(options, redis_port)
            first = first or alone
            print(
                f"{name:<12} {alone.per_second:>7.0f} {alone.per_second / first.per_second:>6.2f} {alone.p95_ms:>7.1f}"
                f" | {beside.per_second:>20.0f} {beside.p95_ms:>7.1f} {beside.per_second / alone.per_second:>6.2f}"
            )


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
