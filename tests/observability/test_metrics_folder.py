"""The folder of a server's metrics: new with each start, for its owner alone, and never in anybody's way."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from onboarding_bot.observability import metrics_folder
from onboarding_bot.observability.metrics_folder import folder_of_this_process, is_second_choice, make_anew, remove

NO_PROCESS = 2**22 + 1


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_folder, "_MEMORY", tmp_path)


def test_a_start_finds_it_empty_and_for_itself_alone() -> None:
    folder = folder_of_this_process("web")
    make_anew(folder)
    (folder / "counter_1.db").write_text("old")
    make_anew(folder)
    assert list(folder.iterdir()) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_it_takes_away_what_the_killed_left_and_nothing_else(tmp_path: Path) -> None:
    left = tmp_path / f"msmebazaar-web-metrics-{NO_PROCESS}"
    others = [tmp_path / f"msmebazaar-web-metrics-{os.getppid()}", tmp_path / f"msmebazaar-worker-metrics-{NO_PROCESS}"]
    for folder in (left, *others):
        folder.mkdir()
    make_anew(folder_of_this_process("web"))
    assert not left.exists()
    assert all(folder.exists() for folder in others)


def test_the_end_takes_it_away_once_or_twice() -> None:
    folder = folder_of_this_process("worker")
    make_anew(folder)
    remove(folder)
    remove(folder)
    assert not folder.exists()


def test_without_shared_memory_it_lies_with_the_other_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_folder, "_MEMORY", tmp_path / "missing")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "temporary"))
    assert folder_of_this_process("web").parent == tmp_path / "temporary"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(place))
    return place


def test_full_memory_gives_way_to_the_temporary_folder(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def allocate(descriptor: int, size: int) -> None:
        if not Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(temporary):
            raise OSError(errno.ENOSPC, "full")
        os.posix_fallocate(descriptor, 0, size)

    monkeypatch.setattr(metrics_folder, "allocate", allocate)
    folder = folder_of_this_process("web")
    assert folder.parent == temporary
    assert is_second_choice(folder)
    assert not is_second_choice(tmp_path / "chosen by an operator" / "figures")


def test_what_the_killed_left_makes_room_first(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / f"msmebazaar-web-metrics-{NO_PROCESS}"
    left.mkdir()

    def allocate(_descriptor: int, _size: int) -> None:
        if left.exists():
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(metrics_folder, "allocate", allocate)
    assert folder_of_this_process("web").parent == tmp_path


def test_no_room_anywhere_ends_nobody(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(_descriptor: int, _size: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(metrics_folder, "allocate", allocate)
    folder = folder_of_this_process("web")
    assert folder.parent == tmp_path
    monkeypatch.setattr(metrics_folder, "_MEMORY", tmp_path / "missing")
    make_anew(tmp_path / "missing" / "figures")


def test_a_reload_keeps_the_folder(tmp_path: Path, temporary: Path) -> None:
    known = str(temporary / f"msmebazaar-web-metrics-{os.getpid()}")
    assert folder_of_this_process("web", known) == Path(known)
    assert folder_of_this_process("web", "/elsewhere/of-another").parent == tmp_path
