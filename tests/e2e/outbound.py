"""Broadcasts end to end: the worker as a real process tree, the admin who starts them, and what Twilio saw of them."""

from __future__ import annotations

import csv
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
from redis import Redis
from redis.exceptions import RedisError

from onboarding_bot.storage.heartbeats import Heartbeat, Heartbeats
from onboarding_bot.storage.keys import broadcast
from onboarding_bot.storage.leases import ShardWork
from tests.e2e.world import PATIENCE_SECONDS, Process, World
from tests.settings import ENVIRONMENT

# What a worker may have in flight at once: its processes times their threads.
IN_FLIGHT = 32
AT_ONCE = {"QUIET_HOURS": "off", "BROADCAST_WAVES": "off", "TWILIO_MESSAGES_PER_SECOND": "2000"}
THE_END = "nobody listens any more"
BULK = {"record_events": "off", "callbacks": "off"}
# Ten times a second would be as often as a key may ask.
LOOK_AGAIN_SECONDS = 0.2
HEALTHY: dict[str, str | int] = {
    "auth_api": "ok",
    "redeliver": "off",
    "send_delay_ms": 0,
    "callbacks": "ok",
    "record_events": "on",
}


def wait_for(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Return when it has come to that; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never seen: {what}"
        time.sleep(LOOK_AGAIN_SECONDS)


@dataclass
class Worker:
    """One worker with all its processes."""

    process: Process

    @classmethod
    def beside(cls, world: World, folder: Path, **settings: str) -> Worker:
        """A worker for the world's Redis and Twilio, not yet started."""
        environment = world.environment | AT_ONCE | settings
        command = [sys.executable, "-m", "onboarding_bot", "worker"]
        return cls(Process("worker", command, environment, folder / "worker.log"))

    def start(self) -> None:
        self.process.start()

    def kill(self) -> None:
        """What a machine does that loses its power: nobody in the whole tree hears of it."""
        assert self.process.popen is not None
        os.killpg(self.process.popen.pid, signal.SIGKILL)
        self.process.popen.wait()

    def stop(self) -> int:
        """Ask it to end; the exit code."""
        return self.process.stop()

    def end(self) -> None:
        """After a test, however that went."""
        if self.process.popen and self.process.popen.poll() is None:
            self.kill()


@dataclass(frozen=True)
class Sent:
    """What Twilio took from the bot."""

    total: int
    recipients: int
    by_recipient_more_than_once: int
    per_second: list[int]
    max_in_any_second: int


@dataclass
class Admin:
    """Somebody with the admin's key, and with a look at Twilio's side."""

    world: World
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"})

    def broadcast(self, **definition: Any) -> str:
        """Start one; its id."""
        body = {"message": "The fair opens on Monday"} | definition
        answer = self._post("/send-broadcast", body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["broadcast_id"])

    def dry_run(self, **definition: Any) -> dict[str, Any]:
        """Who would get it."""
        body = {"message": "The fair opens on Monday", "dry_run": True} | definition
        answer = self._post("/send-broadcast", body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def act(self, broadcast_id: str, action: str) -> requests.Response:
        """Pause, resume, cancel or resend-uncertain."""
        return self._post(f"/broadcasts/{broadcast_id}/{action}", None)

    def look(self, broadcast_id: str) -> dict[str, Any]:
        """The broadcast with its figures."""
        answer = requests.get(
            f"{self.world.bot_url}/broadcasts/{broadcast_id}", headers=self.headers, timeout=PATIENCE_SECONDS
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def counts(self, broadcast_id: str) -> Counter[str]:
        """How many recipients are in which state; states that none is in are left out."""
        return +Counter(self.look(broadcast_id)["counts"])

    def recipients(self, broadcast_id: str) -> dict[str, dict[str, str]]:
        """Every recipient's line of the file, by address; fails when somebody has two."""
        url = f"{self.world.bot_url}/broadcasts/{broadcast_id}/recipients.csv"
        lines = list(
            csv.DictReader(requests.get(url, headers=self.headers, timeout=PATIENCE_SECONDS).text.splitlines())
        )
        recipients = {line["recipient"]: line for line in lines}
        assert len(recipients) == len(lines)
        return recipients

    def wait_for_status(self, broadcast_id: str, status: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Return when the broadcast has that status."""
        wait_for(lambda: self.look(broadcast_id)["status"] == status, f"{broadcast_id} being {status}", seconds)

    def sent(self) -> Sent:
        """What Twilio took so far."""
        told = requests.get(f"{self.world.simulator_url}/sim/sent", timeout=PATIENCE_SECONDS).json()
        return Sent(**{name: told[name] for name in Sent.__dataclass_fields__})

    def callbacks_under_way(self) -> int:
        """How many messages Twilio has still something to tell of."""
        told = requests.get(f"{self.world.simulator_url}/sim/sent", timeout=PATIENCE_SECONDS).json()
        return int(told["callbacks"]["messages_under_way"])

    def wait_for_sent(self, total: int, seconds: float = PATIENCE_SECONDS) -> None:
        """Return when Twilio has taken that many messages."""
        wait_for(lambda: self.sent().total >= total, f"{total} messages at Twilio", seconds)

    def wait_for_quiet(self) -> None:
        """Return when Twilio has told all that it had to tell."""
        wait_for(lambda: self.callbacks_under_way() == 0, "Twilio having called back about everything")

    def wait_for_ticks(self, count: int = 3) -> None:
        """Return when a worker has looked after everything so many times more."""
        signs = Heartbeats(self.world.redis_client(), self.world.redis_client())
        for _ in range(count + 1):  # one of them may have been under way
            _wait_for_a_tick_after(signs, signs.read().get(Heartbeat.WORKER))

    def slots_taken(self, broadcast_id: str) -> int:
        """For how many recipients the moment has been reserved: so many are out, or may still get out."""
        return int(self.world.redis_client().hget(broadcast(broadcast_id), "started") or 0)

    def wait_until_nobody_sends(self, broadcast_id: str) -> None:
        """Return when no thread is at work on it, and nothing is in flight."""
        leases, redis = f"*:broadcast:{broadcast_id}:lease-{ShardWork.SEND}", self.world.redis_client()
        wait_for(lambda: not (redis.keys(leases) or self.counts(broadcast_id)["sending"]), "nobody sending")

    def nothing_more_is_sent(self, broadcast_id: str, at_most: int) -> int:
        """Look on while the worker works: what was under way comes to its end, and that was all; how many it were."""
        self.wait_until_nobody_sends(broadcast_id)
        total = self.sent().total
        assert total <= at_most
        self.wait_for_ticks()
        assert (self.sent().total, self.counts(broadcast_id)["sent"]) == (total, total)
        return total

    def break_for(self, **codes: dict[str, Any]) -> None:
        """What goes wrong with messages to numbers that end in these digits, like ``_0007={"on_send": …}``."""
        rules = [{"suffix": suffix.removeprefix("_")} | rule for suffix, rule in codes.items()]
        answer = requests.put(f"{self.world.simulator_url}/sim/rules", json=rules, timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200, answer.text

    def begin_anew(self) -> None:
        """Nobody is known, nothing was sent, and nothing is broken."""
        self.world.redis_client().flushall()
        self.world.set_fault(**HEALTHY)
        self.break_for()
        assert requests.delete(f"{self.world.simulator_url}/sim/sent", timeout=PATIENCE_SECONDS).status_code == 204

    def _post(self, path: str, body: Any) -> requests.Response:
        return requests.post(self.world.bot_url + path, json=body, headers=self.headers, timeout=PATIENCE_SECONDS)


def _wait_for_a_tick_after(signs: Heartbeats, before: datetime | None) -> None:
    wait_for(lambda: signs.read().get(Heartbeat.WORKER) != before, "a tick")


@dataclass
class Monitor:
    """Everything that clients tell Redis, over all its restarts."""

    port: int
    commands: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        while not self._over.is_set():
            with suppress(RedisError), Redis(port=self.port).monitor() as monitor:
                while THE_END not in (command := str(monitor.next_command()["command"])):
                    self.commands.append(command)
                return
            time.sleep(0.05)

    @contextmanager
    def running(self) -> Iterator[Monitor]:
        thread = threading.Thread(target=self.listen)
        thread.start()
        try:
            wait_for(self.is_connected, "MONITOR")
            yield self
        finally:
            self._over.set()
            with suppress(RedisError):
                Redis(port=self.port).echo(THE_END)
            thread.join()

    def is_connected(self) -> bool:
        """Whether it is connected: it hears a word that is said just now."""
        word = f"are you there {time.monotonic()}"
        Redis(port=self.port).echo(word)
        return any(word in command for command in self.commands)
