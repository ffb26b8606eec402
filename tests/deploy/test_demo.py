"""The whole demo, started and ended the way a person does it."""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from dotenv import dotenv_values

from tests.deploy.clones import (
    PATIENCE_SECONDS,
    Clone,
    copy_project,
    end_processes,
    free_ports,
    lend_packages,
    status_of,
    wait_until,
)

OWNER = "whatsapp:+919876543210"


@dataclass
class RunningDemo:
    """A demo that has said that it is ready."""

    process: subprocess.Popen[str]
    said: str
    ports: dict[str, str]

    @property
    def chat(self) -> str:
        return f"http://127.0.0.1:{self.ports['SIMULATOR_PORT']}"

    @property
    def bot(self) -> str:
        return f"http://127.0.0.1:{self.ports['PORT']}"

    def write(self, text: str) -> None:
        body = json.dumps({"from": OWNER, "text": text}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.chat}/sim/messages", body, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            assert answer.status == 202

    def last_reply(self) -> str | None:
        with urllib.request.urlopen(f"{self.chat}/sim/transcript?person={OWNER.replace('+', '%2B')}") as answer:
            turns = json.load(answer)["turns"]
        return turns[-1]["reply"] if turns else None

    def broadcast(self, text: str, admin_key: str) -> None:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {admin_key}"}
        request = urllib.request.Request(f"{self.bot}/send-broadcast", json.dumps({"message": text}).encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            assert answer.status == 202

    def waits_for_bubble(self, text: str) -> dict[str, object]:
        """The event with which the chat page shows that text of the bot's."""
        with urllib.request.urlopen(f"{self.chat}/sim/events", timeout=PATIENCE_SECONDS) as events:
            for line in events:
                event = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if event.get("kind") == "reply" and event["text"] == text:
                    return dict(event)
        raise AssertionError("the log of events has ended")

    def end(self, number: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(number)
        rest, complaints = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, rest + complaints


def two_ports() -> dict[str, str]:
    return dict(zip(("PORT", "SIMULATOR_PORT"), map(str, free_ports(2)), strict=True))


def read_until_ready(process: subprocess.Popen[str]) -> str:
    """All that it prints up to the line that says how to stop it."""
    assert process.stdout is not None
    said = ""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not ("Ctrl-C" in said and said.endswith("\n")):
            assert selector.select(deadline - time.monotonic()), f"not ready in time; it said: {said}"
            piece = os.read(process.stdout.fileno(), 4096).decode()
            assert piece, f"it ended: {said}{process.stderr and process.stderr.read()}"
            said += piece
    return said


@contextmanager
def demo(clone: Clone, **ports: str) -> Iterator[RunningDemo]:
    ports = ports or two_ports()
    process = clone.start("demo", **ports)
    try:
        yield RunningDemo(process, read_until_ready(process), ports)
    finally:
        if process.poll() is None:
            # The whole family: whoever is left would keep the pipe, and this waiting, for ever.
            end_processes(clone)
            process.communicate()


def secret_of(clone: Clone, name: str) -> str:
    return str(dotenv_values(clone.folder / "var" / "demo.env")[name])


def leader_of(clone: Clone, command: str) -> int:
    """The oldest process whose command looks like that: its own children carry the same one."""
    return min(number for number, line in clone.processes().items() if re.search(command, line))


def test_the_chat_page_comes_first_and_the_data_stays(clone: Clone) -> None:
    with demo(clone) as running:
        assert re.findall(r"\S*://\S*", running.said) == [
            f"{running.chat}/",
            f"{running.bot}/dashboard",
            f"{running.bot}/health",
        ]
        assert "\x1b" not in running.said
        assert status_of(f"{running.chat}/") == 200
        assert status_of(f"{running.bot}/health") == 200
        running.write("Hi")
        wait_until(lambda: "MSMEBazaar" in (running.last_reply() or ""))
        running.write("Asha Devi")
        wait_until(lambda: "Asha Devi" in (running.last_reply() or ""))
        figures = clone.run("stats", **running.ports)
        assert json.loads(figures.stdout)["total_sessions"] == 1, figures.stderr
        assert clone.run("health", **running.ports).returncode == 0
        returncode, rest = running.end(signal.SIGTERM)
    assert (returncode, rest) == (0, "Stopped.\n")
    assert clone.processes() == {}

    with demo(clone) as again:
        figures = clone.run("stats", **again.ports)
        assert json.loads(figures.stdout)["total_sessions"] == 1, figures.stderr
        again.write("STATUS")
        wait_until(lambda: "Asha Devi" in (again.last_reply() or ""))
        returncode, rest = again.end(signal.SIGINT)
    assert (returncode, rest) == (0, "Stopped.\n")
    assert clone.processes() == {}
    for name in ("redis", "bot", "simulator"):
        assert (clone.folder / "var" / "log" / f"{name}.log").stat().st_size > 0


def test_a_broadcast_arrives_on_the_chat_page_at_any_hour(clone: Clone) -> None:
    with demo(clone) as running:
        running.write("Hi")
        wait_until(lambda: running.last_reply() is not None)
        running.broadcast("The fair opens on Monday", secret_of(clone, "ADMIN_API_KEY"))
        bubble = running.waits_for_bubble("The fair opens on Monday")
        assert (bubble["person"], bubble["in_reply_to"]) == (OWNER, None)
        assert running.end(signal.SIGTERM) == (0, "Stopped.\n")
    assert clone.processes() == {}
    assert '"broadcast_begins"' in (clone.folder / "var" / "log" / "worker.log").read_text()


@pytest.mark.parametrize("name", ["PORT", "SIMULATOR_PORT"])
def test_a_port_in_use_is_one_line(clone: Clone, name: str) -> None:
    port = two_ports()[name]
    with socket.create_server(("127.0.0.1", int(port))):
        told = clone.run("demo", **two_ports() | {name: port})
    assert told.returncode == 1
    assert told.stdout == ""
    assert told.stderr == (f"demo: port {port} is in use: stop what listens there, or set {name} to another one\n")
    assert clone.processes() == {}


def test_real_credentials_are_refused(clone: Clone) -> None:
    told = clone.run("demo", **two_ports(), TWILIO_ACCOUNT_SID="AC00000000000000000000000000000000")
    assert told.returncode == 1
    assert "TWILIO_ACCOUNT_SID is set" in told.stderr
    assert clone.processes() == {}


def test_one_demo_for_each_folder_and_clones_do_not_meet(clone: Clone, tmp_path: Path) -> None:
    other = copy_project(tmp_path)
    lend_packages(other)
    try:
        with demo(clone) as running, demo(other) as neighbour:
            told = clone.run("demo", **two_ports())
            assert told.returncode == 1
            assert told.stderr == "demo: another demo is running in this folder: stop it first\n"
            assert neighbour.end(signal.SIGTERM)[0] == 0
            assert other.processes() == {}
            assert status_of(f"{running.bot}/health") == 200
            assert status_of(f"{running.chat}/") == 200
    finally:
        end_processes(other)


@pytest.mark.parametrize(("name", "command"), [("redis", "redis-server|valkey"), ("worker", r"onboarding_bot worker")])
def test_when_a_child_dies_the_demo_says_which_and_ends(clone: Clone, name: str, command: str) -> None:
    with demo(clone) as running:
        os.kill(leader_of(clone, command), signal.SIGKILL)
        rest, complaints = running.process.communicate(timeout=PATIENCE_SECONDS)
    assert running.process.returncode == 1
    assert complaints.startswith(f"demo: {name} was ended by SIGKILL; the last lines of var/log/{name}.log:\n")
    assert "Stopped." not in rest
    assert clone.processes() == {}


def test_nothing_outlives_a_demo_that_was_killed(clone: Clone) -> None:
    with demo(clone) as running:
        running.process.kill()
        running.process.wait()
        wait_until(lambda: not clone.processes())
    with demo(clone) as again:
        assert again.end(signal.SIGTERM)[0] == 0
