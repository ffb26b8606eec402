"""Who measures has the machine to itself; all others share it."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.alone import place

SECONDS = 60


def test_others_share_the_machine(tmp_path: Path) -> None:
    here: list[str] = []
    with place(tmp_path, alone=False):
        neighbour = threading.Thread(target=take(tmp_path, "neighbour", here), daemon=True)
        neighbour.start()
        neighbour.join(SECONDS)
        assert here == ["neighbour begins", "neighbour ends"], "it had to wait until this one was over"


def test_whoever_is_alone_waits_for_the_others_and_lets_nobody_in(tmp_path: Path) -> None:
    seen: list[str] = []
    alone, late = (threading.Thread(target=take(tmp_path, name, seen)) for name in ("alone", "late"))
    with place(tmp_path, alone=False):
        alone.start()
        wait_in_the_turnstile(tmp_path)
        late.start()
        seen.append("first")
    for thread in (alone, late):
        thread.join(SECONDS)
    assert seen == ["first", "alone begins", "alone ends", "late begins", "late ends"]


def take(folder: Path, name: str, seen: list[str]) -> Callable[[], None]:
    def run() -> None:
        with place(folder, alone=name == "alone"):
            seen.append(f"{name} begins")
            seen.append(f"{name} ends")

    return run


def wait_in_the_turnstile(folder: Path) -> None:
    """Return when somebody stays in it."""
    deadline = time.monotonic() + SECONDS
    with (folder / "turnstile").open("w") as turnstile:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(turnstile, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            fcntl.flock(turnstile, fcntl.LOCK_UN)
            time.sleep(0.01)
    raise AssertionError("nobody waits to be alone")
