"""The whole product as real processes: redis-server, the bot under gunicorn, and the simulator around it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import requests
from redis import Redis

from tests.servers import RedisServer, free_port, running_cluster, running_redis
from tests.settings import ENVIRONMENT
from tests.talker import OWNER, new_sid, signature, webhook_form

ROOT = Path(__file__).parents[2]
# Reached only when it never comes to that: a busy machine may take its time.
PATIENCE_SECONDS = 300
_Found = TypeVar("_Found")


def eventually(look: Callable[[], _Found | Literal[False] | None], what: str) -> _Found:
    """What ``look`` finds at last; fails when it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"never seen: {what}")


@dataclass
class Process:
    """A child with its log."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.popen = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=self.environment,
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def stop(self) -> int:
        """Ask it to end; the exit code."""
        if self.popen is None:
            return 0
        self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            raise


@dataclass
class World:
    """Everything that runs, and how to reach it."""

    redis: RedisServer
    bot: Process
    simulator: Process
    bot_url: str
    simulator_url: str
    environment: dict[str, str]
    _happened: list[dict[str, Any]] = field(default_factory=list)
    _looking_on: threading.Lock = field(default_factory=threading.Lock)

    def start_bot(self) -> None:
        """Start gunicorn and wait until it can answer."""
        self.bot.start()
        eventually(lambda: _answers(f"{self.bot_url}/health/ready"), f"the bot, see {self.bot.log}")

    def restart_bot(self) -> None:
        """New processes, on the same Redis."""
        assert self.bot.stop() == 0
        self.start_bot()

    def post(self, text: str, sender: str = OWNER, sid: str | None = None, path: str = "/webhook") -> requests.Response:
        """A signed webhook straight into gunicorn."""
        form = webhook_form(text, sender, sid or new_sid())
        return requests.post(
            self.bot_url + path,
            data=form,
            headers={"X-Twilio-Signature": signature(self.bot_url + path, form)},
            timeout=PATIENCE_SECONDS,
        )

    def answer_everything(self, sender: str = OWNER) -> None:
        """From the first Hi to the summary, straight into gunicorn."""
        for text in ("Hi", "Asha Devi", "7", "560001", "98765 43210"):
            assert self.post(text, sender).status_code == 200

    def write(self, text: str, sender: str = OWNER) -> str:
        """The owner writes on the phone: through the simulator's Twilio. Returns the MessageSid."""
        message = {"from": sender, "text": text}
        response = requests.post(f"{self.simulator_url}/sim/messages", json=message, timeout=PATIENCE_SECONDS)
        assert response.status_code == 202, response.text
        return str(response.json()["message_sid"])

    def reply_to(self, sid: str) -> str:
        """The bot's reply to that message, as the phone shows it."""
        return str(eventually(lambda: self._find("reply", in_reply_to=sid), f"a reply to {sid}")["text"])

    def converse(self, text: str, sender: str = OWNER) -> str:
        """Write and wait for the reply."""
        return self.reply_to(self.write(text, sender))

    def otp_sent_to(self, phone: str, after: int = 0) -> str:
        """The code of the latest SMS on that phone."""

        def latest() -> dict[str, Any] | None:
            texts = [event for event in self.events() if event["kind"] == "sms" and event["phone"] == phone]
            return texts[-1] if len(texts) > after else None

        return str(eventually(latest, f"an SMS on {phone}")["code"])

    def phone(self, person: str) -> dict[str, Any]:
        """The number and the WhatsApp id of somebody's phone."""
        return dict(requests.get(f"{self.simulator_url}/sim/phones/{person}", timeout=10).json())

    def at_twilio(self, **filters: str) -> list[str]:
        """The texts that Twilio keeps of these messages, the latest first."""
        account, token = ENVIRONMENT["TWILIO_ACCOUNT_SID"], ENVIRONMENT["TWILIO_AUTH_TOKEN"]
        url = f"{self.simulator_url}/2010-04-01/Accounts/{account}/Messages.json"
        answer = requests.get(url, params={"PageSize": "1000"} | filters, auth=(account, token), timeout=10)
        return [message["body"] for message in answer.json()["messages"]]

    def set_fault(self, **faults: str | int) -> None:
        """Break the outside world, or heal it."""
        answer = requests.put(f"{self.simulator_url}/sim/faults", json=faults, timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200, answer.text

    def events(self) -> list[dict[str, Any]]:
        """Everything that happened on the simulator's phones so far."""
        with self._looking_on:
            after = self._happened[-1]["id"] if self._happened else 0
            url = f"{self.simulator_url}/sim/events?after={after}&follow=no"
            for line in requests.get(url, timeout=PATIENCE_SECONDS).content.splitlines():
                if line.startswith(b"data:"):
                    self._happened.append(json.loads(line[5:]))
            return list(self._happened)

    def stats(self) -> dict[str, Any]:
        """The bot's figures."""
        key = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}
        return dict(requests.get(f"{self.bot_url}/stats", headers=key, timeout=PATIENCE_SECONDS).json())

    def redis_client(self) -> Redis:
        return Redis(host="127.0.0.1", port=self.redis.port)

    def _find(self, kind: str, **fields: str) -> dict[str, Any] | None:
        wanted = fields.items() | {("kind", kind)}
        return next((event for event in self.events() if wanted <= _scalars(event)), None)


def _scalars(event: dict[str, Any]) -> set[tuple[str, Any]]:
    return {(name, value) for name, value in event.items() if not isinstance(value, dict | list)}


@contextmanager
def running_world(
    folder: Path, *redis_options: str, in_cluster_mode: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[World]:
    """Start all of it in ``folder``, wait until it is ready, and end it."""
    bot_port, simulator_port = free_port(), free_port()
    bot_url, simulator_url = f"http://127.0.0.1:{bot_port}", f"http://127.0.0.1:{simulator_port}"
    with running_cluster(folder) if in_cluster_mode else running_redis(folder, *redis_options) as redis:
        redis_url = redis.cluster_url if in_cluster_mode else redis.url
        environment = environment_of(bot_port, simulator_port, redis_url) | {
            "SIMULATOR_DATABASE": str(folder / "simulator.sqlite3"),
            **(settings or {}),
        }
        simulator = Process("simulator", [sys.executable, "-m", "simulator"], environment, folder / "simulator.log")
        world = World(redis, gunicorn(environment, folder), simulator, bot_url, simulator_url, environment)
        try:
            simulator.start()
            world.start_bot()
            eventually(lambda: _answers(f"{simulator_url}/sim/faults"), f"the simulator, see {simulator.log}")
            yield world
        finally:
            world.bot.stop()
            simulator.stop()


def environment_of(bot_port: int, simulator_port: int, redis_url: str) -> dict[str, str]:
    """What a bot, its worker and the outside world around them are told."""
    bot_url, simulator_url = f"http://127.0.0.1:{bot_port}", f"http://127.0.0.1:{simulator_port}"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("TWILIO_", "SIMULATOR_"))},
        **ENVIRONMENT,
        "PORT": str(bot_port),
        "WEB_CONCURRENCY": "2",
        "AUTH_API_DEADLINE_SECONDS": "4",
        "PUBLIC_BASE_URL": bot_url,
        "AUTH_API_URL": simulator_url,
        "WEB_APP_URL": simulator_url,
        "TWILIO_API_BASE_URL": simulator_url,
        "REDIS_URL": redis_url,
        "SIMULATOR_PORT": str(simulator_port),
        "SIMULATOR_BOT_URL": bot_url,
        "PYTHONUNBUFFERED": "1",
    }


def gunicorn(environment: dict[str, str], folder: Path) -> Process:
    """The bot as it is served in production, not yet started."""
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "main:app"]
    return Process("bot", command, environment, folder / "bot.log")


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=PATIENCE_SECONDS).status_code == 200
    except requests.RequestException:
        return False
