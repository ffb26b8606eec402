"""How fast and how evenly broadcasts go out, and what a million recipients cost.

``python -m bench.broadcast`` starts redis-server, a Twilio that takes 50 ms a call, gunicorn and one worker on this
machine, four times in turn, and prints one line for each.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
import urllib.request
from bisect import bisect_left
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from bench.worker_classes import free_port, process, wait_for
from onboarding_bot.conversation.contact import Contact
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.records import Sealer

CAP = 40
UNCAPPED = 10_000
TWILIO_MILLISECONDS = 50
ADMIN_KEY = "admin-key-of-the-bench"
PERSON_KEY = "person-key-of-the-bench"
ENCRYPTION_KEY = secrets.token_bytes(32)
BATCH = 2_000
PATIENCE_SECONDS = 180
POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table: so many people, at so many messages a second, watched until so many are out."""

    name: str
    people: int
    per_second: int
    watched: int


CASES = (
    Case("cap of 40/s", 800, CAP, 800),
    Case("no cap", 10_000, UNCAPPED, 10_000),
    Case("audience of 1,000", 1_000, CAP, 400),
    Case("audience of 1,000,000", 1_000_000, CAP, 400),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """The rate is that of the middle eight tenths at Twilio's end; memory is the peak, all of a tree's processes."""

    first_send_seconds: float
    per_second: float
    most_in_a_second: int
    counted_seconds: float
    web_mb: float
    worker_mb: float


def seed(redis_port: int, first: int, count: int, key: bytes) -> None:
    """Put people into the store as if each had written five minutes ago."""
    redis = Redis(port=redis_port)
    keys, sealer = Keys(PERSON_KEY), Sealer(Cipher([key]))
    wrote_at = datetime.now(UTC) - timedelta(minutes=5)
    score = wrote_at.timestamp() * 1000
    for start in range(first, first + count, BATCH):
        pipeline = redis.pipeline(transaction=False)
        for number in range(start, min(start + BATCH, first + count)):
            address = f"whatsapp:+9170{number:08}"
            person_id = keys.person_id(address)
            record = Contact(address, "en", wrote_at, wrote_at).to_record()
            pipeline.zadd(keys.contacts(person_id), {person_id: score})
            pipeline.set(keys.contact(person_id), sealer.seal(record, "contact", person_id))
            pipeline.hset(keys.permit(person_id), "updates", round(score))
        pipeline.execute()


def seed_all(redis_port: int, people: int) -> None:
    """Both cores at it."""
    half = people // 2
    with ProcessPoolExecutor(2) as pool:
        parts = [(0, half), (half, people - half)]
        for done in [pool.submit(seed, redis_port, first, count, ENCRYPTION_KEY) for first, count in parts]:
            done.result()


def peak_mb(leader: int) -> float:
    """The most memory that each process of a tree ever had, added up."""
    total = 0.0
    for pid in (leader, *descendants(leader)):
        status = Path(f"/proc/{pid}/status").read_text()
        total += int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return total


def descendants(pid: int) -> Iterator[int]:
    """The processes that this one has started, and those that they have."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from descendants(child)


@dataclass(frozen=True, slots=True)
class Product:
    """What runs, and how it is asked."""

    web: int
    worker: int
    url: str
    twilio_url: str

    def arrivals(self) -> list[float]:
        return list(self._ask(self.twilio_url))

    def begin(self) -> str:
        return str(self._ask(f"{self.url}/send-broadcast", {"message": "The fair opens on Monday"})["broadcast_id"])

    def is_counted(self, broadcast_id: str) -> bool:
        return self._ask(f"{self.url}/broadcasts/{broadcast_id}")["recipient_count"] is not None

    def _ask(self, url: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:
            return json.load(answer)


@contextmanager
def running(case: Case, folder: str) -> Iterator[Product]:
    """Everything for one case, with its people in a Redis of their own; ends with the block."""
    redis_port, twilio_port, port = free_port(), free_port(), free_port()
    url, twilio_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{twilio_port}"
    environment = {
        "FLASK_ENV": "production",
        "PORT": str(port),
        "PUBLIC_BASE_URL": url,
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "token-of-the-bench",
        "TWILIO_API_BASE_URL": twilio_url,
        "TWILIO_MESSAGES_PER_SECOND": str(case.per_second),
        "QUIET_HOURS": "off",
        "BROADCAST_WAVES": "off",
        "AUTH_API_URL": url,
        "WEB_APP_URL": url,
        "ADMIN_API_KEY": ADMIN_KEY,
        "HANDOFF_API_KEY": "handoff-key-of-the-bench",
        "SESSION_ENCRYPTION_KEYS": base64.urlsafe_b64encode(ENCRYPTION_KEY).decode(),
        "PERSON_ID_KEY": PERSON_KEY,
        "SUPPORT_CONTACT": "nobody",
        "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "LOG_LEVEL": "WARNING",
    }
    redis = shutil.which("redis-server") or sys.exit("this bench needs redis-server")
    python = (sys.executable, "-m")
    with ExitStack() as stack:
        stack.enter_context(process(redis, "--port", str(redis_port), "--save", "", "--dir", folder))
        until(lambda: answers_ping(redis_port), "redis-server")
        seed_all(redis_port, case.people)
        stand_in = ("bench.twilio_stand_in", str(twilio_port), str(TWILIO_MILLISECONDS))
        stack.enter_context(process(*python, *stand_in))
        gunicorn = ("gunicorn", "-c", "gunicorn.conf.py", "main:app")
        web = stack.enter_context(process(*python, *gunicorn, environment=environment))
        worker = stack.enter_context(process(*python, "onboarding_bot", "worker", environment=environment))
        wait_for(twilio_url)
        wait_for(f"{url}/health/live")
        until(lambda: bool(Redis(port=redis_port).zcard("{dramatiq}:__heartbeats__")), "the worker")
        yield Product(web.pid, worker.pid, url, twilio_url)


def answers_ping(redis_port: int) -> bool:
    """Whether that Redis is up."""
    try:
        return bool(Redis(port=redis_port).ping())
    except RedisError:
        return False


def until(condition: Callable[[], bool], what: str) -> None:
    """Return when it has come to that."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"never seen: {what}")
        time.sleep(POLL_SECONDS)


def measure(case: Case) -> Measured:
    """One broadcast, from its start until enough of it is out and all recipients are added."""
    with tempfile.TemporaryDirectory() as folder, running(case, folder) as product:
        started = time.time()
        broadcast_id = product.begin()
        until(lambda: product.is_counted(broadcast_id), "all recipients being added")
        counted = time.time() - started
        until(lambda: len(product.arrivals()) >= case.watched, f"{case.watched} messages at Twilio")
        arrivals = product.arrivals()
        memory = peak_mb(product.web), peak_mb(product.worker)
    middle = arrivals[len(arrivals) // 10 : -len(arrivals) // 10]
    return Measured(
        first_send_seconds=arrivals[0] - started,
        per_second=(len(middle) - 1) / (middle[-1] - middle[0]),
        most_in_a_second=max(bisect_left(middle, moment + 1) - index for index, moment in enumerate(middle)),
        counted_seconds=counted,
        web_mb=memory[0],
        worker_mb=memory[1],
    )


def main() -> None:
    """Print one line for each case."""
    print(
        f"One gunicorn and one worker; Twilio takes {TWILIO_MILLISECONDS} ms a call. Memory at its peak, all processes."
    )
    print("case                    first send s   msg/s  of the cap  most in 1 s  all counted s   web MB  worker MB")
    for case in CASES:
        seen = measure(case)
        share = f"{seen.per_second / case.per_second:>10.1%}" if case.per_second == CAP else " " * 10
        print(
            f"{case.name:<22} {seen.first_send_seconds:>13.1f} {seen.per_second:>7.0f} {share}"
            f" {seen.most_in_a_second:>12} {seen.counted_seconds:>14.1f} {seen.web_mb:>8.0f} {seen.worker_mb:>10.0f}",
            flush=True,
        )


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
