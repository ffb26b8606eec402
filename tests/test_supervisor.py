"""Two processes that live and end together; `tests/deploy/test_serve.py` does so with the bot and its worker."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from onboarding_bot import supervisor
from tests.servers import wait_for

STAYS = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))
pathlib.Path({file!r}).touch()
while True:
    signal.pause()
"""


@pytest.mark.parametrize(
    ("ends", "exit_code"),
    [
        pytest.param("raise SystemExit(3)", 3, id="with an exit code of its own"),
        pytest.param("", 1, id="as if all were well"),
        pytest.param("import os; os.kill(os.getpid(), 9)", 137, id="by a signal"),
    ],
)
def test_one_that_ends_is_a_failure_and_the_other_follows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ends: str, exit_code: int
) -> None:
    deaths: list[str] = []
    monkeypatch.setattr(supervisor, "WEB_SERVER", ("-c", STAYS.format(code=0, file=str(tmp_path / "web"))))
    monkeypatch.setattr(supervisor, "WORKER", ("-c", ends))
    assert supervisor.serve(lambda: deaths.append("told")) == exit_code
    assert deaths == ["told"]


@pytest.mark.parametrize("code", [pytest.param(0, id="well"), pytest.param(4, id="not well")])
def test_a_signal_ends_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int) -> None:
    files = [tmp_path / "web", tmp_path / "worker"]
    monkeypatch.setattr(supervisor, "WEB_SERVER", ("-c", STAYS.format(code=0, file=str(files[0]))))
    monkeypatch.setattr(supervisor, "WORKER", ("-c", STAYS.format(code=code, file=str(files[1]))))

    def end_once_both_run() -> None:
        wait_for(lambda: all(file.exists() for file in files), "both")
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=end_once_both_run)
    thread.start()
    assert supervisor.serve(lambda: pytest.fail("nobody has died")) == code
    thread.join()
