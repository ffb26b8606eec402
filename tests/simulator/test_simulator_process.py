"""The simulator as a process: it starts, serves, and ends when it is told to."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.simulator.running_simulator import ROOT, environment, running_simulator, start


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def process(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    started = start(tmp_path, environment(port, tmp_path))
    assert started.stdout
    assert "listening" in started.stdout.readline()
    yield started
    started.kill()
    started.communicate()


def test_it_ends_cleanly_with_somebody_looking_on(process: subprocess.Popen[str], port: int) -> None:
    looking_on = requests.get(f"http://127.0.0.1:{port}/sim/events", stream=True, timeout=120)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    looking_on.close()
    assert (process.returncode, err) == (0, "")
    assert "stopped" in out


def test_down_is_a_connection_that_ends_without_an_answer(process: subprocess.Popen[str], port: int) -> None:
    requests.put(f"http://127.0.0.1:{port}/sim/faults", json={"auth_api": "down"}, timeout=120)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{port}/health", timeout=120)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        second = start(tmp_path, environment(port, tmp_path))
        _, err = second.communicate(timeout=120)
    assert (second.returncode, err) == (1, f"cannot listen on 127.0.0.1:{port}: Address already in use\n")


def test_missing_settings_are_told(tmp_path: Path) -> None:
    process = start(tmp_path, {"PYTHONPATH": str(ROOT)})
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "setting TWILIO_AUTH_TOKEN is missing\n" in err


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("how", [{"silence_seconds": 0.2}, {"reset": True}])
def test_a_send_can_end_without_an_answer(tmp_path: Path, how: dict[str, Any], sent: bool) -> None:
    with running_simulator(tmp_path) as simulator:
        requests.put(
            f"{simulator.url}/sim/rules", json=[{"suffix": "17", "on_send": how | {"sent": sent}}], timeout=120
        )
        with pytest.raises(requests.ConnectionError):
            simulator.send(To="whatsapp:+919999999917", Body="News")
        assert simulator.send(To="whatsapp:+919999999918", Body="News").status_code == 201
        assert requests.get(f"{simulator.url}/sim/sent", timeout=120).json()["total"] == 1 + sent
