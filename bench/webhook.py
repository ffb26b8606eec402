"""What a webhook costs beside a plain Flask bot: messages a second, CPU, waiting times and memory, as ratios.

``python -m bench.webhook`` starts a redis-server, the bot and ``bench/plain_bot.py`` under gunicorn with two workers
each, and lets a compiled load generator (``bench/load_generator.c``) hold whole signed conversations of distinct people
with one and the other in turn. Every reply is checked. It needs redis-server and a C compiler.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from bench.worker_classes import free_port, process, wait_for

ROOT = Path(__file__).parents[1]
TOKEN = "token-of-the-bench"
ACCOUNT = "AC" + "0" * 32
WORKERS = 2
CONNECTIONS = 32
SHARE_OF_PLAIN = 0.6
TICKS = os.sysconf("SC_CLK_TCK")
MEMORY_PEOPLE = 100_000
# What a message and the answer to it hold, for the bot and for the plain one.
MESSAGES = ("Hi", "Asha Devi", "7", "560001", "{phone}", "YES")
EXPECTED = {
    "bot": ("full name", "Asha Devi", "Sector", "560001", "YES", "/login?source=whatsapp"),
    "plain": ("full name", "Asha Devi", "Sector", "560001", "YES", "/login?source=whatsapp"),
}


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two bots: ``name`` as in EXPECTED, its port, and the first process of its gunicorn."""

    name: str
    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of the load generator saw. Times are in milliseconds, CPU in microseconds for each message."""

    per_second: float
    cpu_us: float
    redis_us: float
    p50_ms: float
    p99_ms: float
    failures: int
    first_failure: str
    generator_share: float


class People:
    """Distinct people: each conversation has a number that no other has."""

    def __init__(self) -> None:
        self._next = 0
        self._validator = RequestValidator(TOKEN)

    def write_conversations(self, path: Path, server: Server, count: int, messages: int = len(MESSAGES)) -> None:
        """Prepare signed requests of ``count`` new people, ``messages`` each, as the load generator reads them."""
        with path.open("wb") as file:
            file.write(f"{count} {messages}\n".encode())
            file.writelines(f"{text}\n".encode() for text in EXPECTED[server.name][:messages])
            for _ in range(count):
                self._next += 1
                for number, text in enumerate(MESSAGES[:messages]):
                    request = self._request(server.port, self._next, number, text)
                    file.write(f"{len(request)}\n".encode() + request)

    def _request(self, port: int, person: int, number: int, text: str) -> bytes:
        phone = f"{7_000_000_000 + person}"
        form = {
            "SmsMessageSid": f"SM{person:020x}{number:012x}",
            "NumMedia": "0",
            "ProfileName": "Asha",
            "MessageType": "text",
            "SmsSid": f"SM{person:020x}{number:012x}",
            "WaId": f"91{phone}",
            "SmsStatus": "received",
            "Body": text.format(phone=phone),
            "To": "whatsapp:+14155238886",
            "NumSegments": "1",
            "ReferralNumMedia": "0",
            "MessageSid": f"SM{person:020x}{number:012x}",
            "AccountSid": ACCOUNT,
            "From": f"whatsapp:+91{phone}",
            "ApiVersion": "2010-04-01",
        }
        url = f"http://127.0.0.1:{port}/webhook"
        body = urlencode(form).encode()
        head = (
            "POST /webhook HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{port}\r\n"
            "User-Agent: TwilioProxy/1.1\r\n"
            "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
            f"X-Twilio-Signature: {self._validator.compute_signature(url, form)}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Bench:
    """The servers that run side by side, and the rounds on them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._generator = folder / "load_generator"
        subprocess.run(
            [shutil.which("cc") or "gcc", "-O2", "-o", self._generator, ROOT / "bench" / "load_generator.c"], check=True
        )
        self._people = People()
        self._auth_port = free_port()
        self._redis_port = free_port()
        redis = shutil.which("redis-server") or sys.exit("this bench needs redis-server")
        self._redis = stack.enter_context(
            process(redis, "--port", str(self._redis_port), "--save", "", "--dir", str(folder))
        )
        self.bot = stack.enter_context(self._serve("bot", ["-c", "gunicorn.conf.py", "main:app"]))
        self.plain = stack.enter_context(self._serve("plain", ["-k", "sync", "bench.plain_bot:app"]))

    @contextmanager
    def _serve(self, name: str, application: Sequence[str]) -> Iterator[Server]:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        environment = {
            "FLASK_ENV": "production",
            "PORT": str(port),
            "WEB_CONCURRENCY": str(WORKERS),
            "PUBLIC_BASE_URL": url,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "AUTH_API_URL": f"http://127.0.0.1:{self._auth_port}",
            "WEB_APP_URL": "https://app.example.in",
            "ADMIN_API_KEY": "admin-key-of-the-bench",
            "HANDOFF_API_KEY": "handoff-key-of-the-bench",
            "SESSION_ENCRYPTION_KEYS": base64.urlsafe_b64encode(b"b" * 32).decode(),
            "PERSON_ID_KEY": "person-key-of-the-bench",
            "SUPPORT_CONTACT": "nobody",
            "REDIS_URL": f"redis://127.0.0.1:{self._redis_port}/{0 if name == 'bot' else 1}",
        }
        command = (sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", str(WORKERS), *application)
        with process(*command, log=self._folder / f"{name}.log", environment=environment) as child:
            wait_for(f"{url}/health/live")
            yield Server(name, port, child.pid)

    def load(self, server: Server, seconds: float, *, rate: float = 0.0, expected_rate: float = 3000.0) -> Load:
        """Hold conversations for so many seconds: as fast as answers come, or at ``rate`` messages a second."""
        path = self._folder / "requests"
        wanted = int((rate or expected_rate) * seconds / len(MESSAGES)) + CONNECTIONS
        self._people.write_conversations(path, server, wanted)
        before, redis_before = cpu_of_tree(server.pid), cpu_of(self._redis.pid)
        seen = self._generate(server, path, seconds, rate)
        after, redis_after = cpu_of_tree(server.pid), cpu_of(self._redis.pid)
        answered = max(1, seen["answered"])
        return Load(
            per_second=answered / seen["seconds"],
            cpu_us=1e6 * (after - before) / answered,
            redis_us=1e6 * (redis_after - redis_before) / answered,
            p50_ms=seen["p50_ms"],
            p99_ms=seen["p99_ms"],
            failures=seen["failures"],
            first_failure=seen["first_failure"],
            generator_share=seen["cpu_seconds"] / seen["seconds"],
        )

    def bytes_for_each_person(self, people: int) -> tuple[float, float]:
        """Redis memory for a person in mid-conversation: now, and an hour after the last message."""
        client = self._client()
        client.flushall()
        empty = self._used_memory(client)
        path = self._folder / "requests"
        for _ in range(0, people, 10_000):
            count = min(10_000, people)
            self._people.write_conversations(path, self.bot, count, messages=4)
            seen = self._generate(self.bot, path, seconds=600.0, rate=0.0)
            if seen["failures"]:
                sys.exit(f"the bot failed: {seen['first_failure']}")
        full = self._used_memory(client)
        for key in client.scan_iter(count=10_000):
            if 0 <= client.pttl(key) <= 3_600_000:
                client.delete(key)
        return (full - empty) / people, (self._used_memory(client) - empty) / people

    def memory_of_workers(self) -> list[float]:
        """PSS of each web worker, in MiB."""
        return [pss(pid) for pid in children_of(self.bot.pid)]

    def _client(self) -> Any:
        import redis  # noqa: PLC0415 - only the memory run needs it

        return redis.Redis(port=self._redis_port)

    @staticmethod
    def _used_memory(client: Any) -> int:
        client.execute_command("MEMORY", "PURGE")
        return int(client.info("memory")["used_memory_dataset"])

    def _generate(self, server: Server, path: Path, seconds: float, rate: float) -> dict[str, Any]:
        command = [self._generator, server.port, CONNECTIONS, seconds, rate, path, self._auth_port]
        done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
        seen: dict[str, Any] = json.loads(done.stdout)
        return seen


def children_of(pid: int) -> list[int]:
    """The processes that this one has started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def cpu_of(pid: int) -> float:
    """CPU seconds of one process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_of_tree(pid: int) -> float:
    """CPU seconds of a process and its children so far."""
    return cpu_of(pid) + sum(map(cpu_of, children_of(pid)))


def pss(pid: int) -> float:
    """Memory of a process with its share of what it shares, in MiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"no Pss for process {pid}")


def median(loads: Sequence[Load], figure: str) -> float:
    """The median of one figure over the rounds."""
    return float(statistics.median(getattr(load, figure) for load in loads))


def ratio(ours: Sequence[Load], plain: Sequence[Load], figure: str) -> float:
    """The median of the ratios of neighbouring rounds."""
    return float(statistics.median(getattr(a, figure) / getattr(b, figure) for a, b in zip(ours, plain, strict=True)))


def measure(bench: Bench, rounds: int, seconds: float) -> dict[str, Any]:
    """Interleaved rounds at full speed, then at 60 % of the plain bot's."""
    for server in (bench.bot, bench.plain):
        bench.load(server, 1.0)
    ours, plain = [], []
    for _ in range(rounds):
        plain.append(bench.load(bench.plain, seconds))
        ours.append(bench.load(bench.bot, seconds))
    rate = SHARE_OF_PLAIN * median(plain, "per_second")
    calm_ours, calm_plain = [], []
    for _ in range(rounds):
        calm_plain.append(bench.load(bench.plain, seconds, rate=rate))
        calm_ours.append(bench.load(bench.bot, seconds, rate=rate))
    every = [*ours, *plain, *calm_ours, *calm_plain]
    return {
        "webhooks_per_second": {"bot": median(ours, "per_second"), "plain": median(plain, "per_second")},
        "throughput_ratio": ratio(ours, plain, "per_second"),
        "cpu_us": {"bot": median(ours, "cpu_us"), "plain": median(plain, "cpu_us")},
        "cpu_ratio": ratio(ours, plain, "cpu_us"),
        "redis_us": {"bot": median(ours, "redis_us"), "plain": median(plain, "redis_us")},
        "p50_ms": {"bot": median(ours, "p50_ms"), "plain": median(plain, "p50_ms")},
        "p99_ms_at_60_percent": {"bot": median(calm_ours, "p99_ms"), "plain": median(calm_plain, "p99_ms")},
        "p99_ratio": ratio(calm_ours, calm_plain, "p99_ms"),
        "generator_share_of_a_core": max(load.generator_share for load in every),
        "failures": sum(load.failures for load in every),
        "first_failure": next((load.first_failure for load in every if load.failures), ""),
        "worker_pss_mib": max(bench.memory_of_workers()),
    }


def table(figures: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    rows = [
        ("webhooks/s", figures["webhooks_per_second"], figures["throughput_ratio"], "≥ 1.0", 0),
        ("CPU for a webhook, µs", figures["cpu_us"], figures["cpu_ratio"], "≤ 0.95", 0),
        ("p99 at 60 % of plain's rate, ms", figures["p99_ms_at_60_percent"], figures["p99_ratio"], "≤ 1.0", 1),
    ]
    lines = ["| figure | bot | plain | bot ÷ plain | must |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {both['bot']:.{places}f} | {both['plain']:.{places}f} | {found:.2f} | {must} |"
        for name, both, found, must, places in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table, and the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.webhook", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--memory", action="store_true", help="also measure Redis memory with 100,000 people (minutes)")
    parser.add_argument("--people", type=int, default=MEMORY_PEOPLE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        bench = Bench(Path(folder), stack)
        figures = measure(bench, options.rounds, options.seconds)
        if options.memory:
            figures["bytes_for_each_person"], figures["bytes_an_hour_later"] = bench.bytes_for_each_person(
                options.people
            )
    print(table(figures))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
