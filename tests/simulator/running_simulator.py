"""The simulator as a process of its own, for tests that need real connections or a browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.servers import free_port

ROOT = Path(__file__).parents[2]
ACCOUNT, TOKEN = "AC1", "token"
SENDER = "whatsapp:+14155238886"


@dataclass(frozen=True)
class RunningSimulator:
    """Where it listens, and what the bot would ask of it."""

    url: str
    process: subprocess.Popen[str]

    def send(self, **form: str) -> requests.Response:
        return requests.post(
            f"{self.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
            data={"From": SENDER} | form,
            auth=(ACCOUNT, TOKEN),
            timeout=120,
        )

    def create_template(self, template: dict[str, Any]) -> str:
        answer = requests.post(f"{self.url}/v1/Content", json=template, auth=(ACCOUNT, TOKEN), timeout=120)
        return str(answer.json()["sid"])

    def phone(self, person: str) -> dict[str, Any]:
        return dict(requests.get(f"{self.url}/sim/phones/{person}", timeout=5).json())

    def faults(self) -> dict[str, Any]:
        return dict(requests.get(f"{self.url}/sim/faults", timeout=120).json())


def environment(port: int, folder: Path) -> dict[str, str]:
    return {
        "PYTHONPATH": str(ROOT),
        "SIMULATOR_PORT": str(port),
        "SIMULATOR_DATABASE": str(folder / "simulator.sqlite3"),
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "HANDOFF_API_KEY": "key",
    }


def start(folder: Path, environ: dict[str, str], **more: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "simulator"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    return subprocess.Popen(command, cwd=folder, env=environ, text=True, **streams)


@contextmanager
def running_simulator(folder: Path) -> Iterator[RunningSimulator]:
    port = free_port()
    # A file, because nobody reads a pipe here and the log would fill it.
    with (folder / "simulator.log").open("w") as output:
        process = start(folder, environment(port, folder), stdout=output, stderr=subprocess.STDOUT)
        try:
            simulator = RunningSimulator(f"http://127.0.0.1:{port}", process)
            _wait_for(simulator)
            yield simulator
        finally:
            process.kill()
            process.wait()


def _wait_for(simulator: RunningSimulator) -> None:
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=_PATIENCE))
    session.get(f"{simulator.url}/sim/faults", timeout=120)


_PATIENCE = requests.adapters.Retry(total=12, backoff_factor=0.05)
