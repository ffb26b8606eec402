"""gunicorn's own lines: JSON, and nothing of a request's words."""

from __future__ import annotations

import json
import logging
import os
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.settings import ENVIRONMENT

PHONE = "9876501234"
CONFIGURATION = Path(__file__).parent.parent / "gunicorn.conf.py"


@pytest.fixture
def formatter(monkeypatch: pytest.MonkeyPatch) -> logging.Formatter:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")  # the file sets it, and the test ends without
    formatter: logging.Formatter = runpy.run_path(str(CONFIGURATION))["JsonLines"]()
    return formatter


def line(formatter: logging.Formatter, message: object, *args: object, in_worker: bool) -> dict[str, Any]:
    record = logging.LogRecord("gunicorn.error", logging.WARNING, __file__, 1, message, args, None)
    record.process = os.getpid() + in_worker
    return dict(json.loads(formatter.format(record)))


def test_the_first_process_says_everything(formatter: logging.Formatter) -> None:
    said = line(formatter, "Listening at: %s (%s)", "http://0.0.0.0:5000", 7, in_worker=False)
    assert said["text"] == "Listening at: http://0.0.0.0:5000 (7)"
    assert {"time", "level", "event", "pid"} <= said.keys()


@pytest.mark.parametrize(
    ("message", "args", "text"),
    [
        pytest.param("Error handling request %s", (f"/webhook?phone={PHONE}",), "Error handling request …", id="path"),
        pytest.param("Booting worker with pid: %s", (17,), "Booting worker with pid: 17", id="number"),
        pytest.param("%(path)s", ({"path": PHONE},), "%(path)s", id="named"),
        pytest.param(
            f"Invalid request from ip=192.0.2.7: Invalid HTTP Header: 'Authorization Bearer {PHONE}'",
            (),
            "Invalid request: Invalid HTTP Header",
            id="quoted",
        ),
        pytest.param(
            f'Invalid request from ip=: No more data after: b"it\'s {PHONE}"',
            (),
            "Invalid request: No more data after",
            id="quoted otherwise",
        ),
        pytest.param("Closing connection.", (), "Closing connection.", id="nothing to fill in"),
        pytest.param(f"Invalid request from ip=7.7.7.7: '{PHONE}'", (), "Invalid request from ip…", id="filled in"),
        pytest.param("100 % of it", (), "100 % of it", id="a per cent sign"),
        pytest.param(RuntimeError(PHONE), (), "RuntimeError", id="an exception in place of a text"),
    ],
)
def test_a_worker_keeps_words_to_itself(
    formatter: logging.Formatter, message: object, args: tuple[object, ...], text: str
) -> None:
    said = line(formatter, message, *args, in_worker=True)
    assert said["text"] == text
    assert PHONE not in json.dumps(said)
