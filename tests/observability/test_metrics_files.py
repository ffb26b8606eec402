"""Figures have real space under them, move where there is some, and never end the process that counts."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from onboarding_bot.observability import metrics_files, metrics_folder
from onboarding_bot.observability.metrics_files import AllFiles, CountedFile, is_complete, process_ended

PID = 4711


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first folder of a server; the second one is made when it is needed."""
    memory, temporary = tmp_path / "memory", tmp_path / "temporary"
    memory.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(metrics_folder, "_MEMORY", memory)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(temporary))
    made = memory / "figures"
    made.mkdir()
    return made


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """From now on these folders have no space any more."""

    def fill(*full: Path) -> None:
        def allocate(descriptor: int, size: int) -> None:
            if any(Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(path) for path in full):
                raise OSError(errno.ENOSPC, "full")
            os.posix_fallocate(descriptor, 0, size)

        monkeypatch.setattr(metrics_files, "allocate", allocate)

    return fill


def key(number: int) -> str:
    return f'["turns", "turns_total", {{"step": "{number:03}"}}, "{"help " * 10}"]'


def count(file: CountedFile, numbers: range) -> None:
    for number in numbers:
        file.write_value(key(number), float(number), 0.0)  # type: ignore[no-untyped-call]  # prometheus_client's


def shown(folder: Path) -> dict[str, float]:
    return {sample.labels["step"]: sample.value for family in AllFiles(folder).collect() for sample in family.samples}


def expected(numbers: range) -> dict[str, float]:
    return {f"{number:03}": float(number) for number in numbers}


def test_figures_grow_beyond_their_first_size(folder: Path) -> None:
    file = CountedFile(str(folder / f"counter_{PID}.db"))
    count(file, range(500))
    assert shown(folder) == expected(range(500))
    assert is_complete(folder)
    file.close()
    again = CountedFile(str(folder / f"counter_{PID}.db"))
    count(again, range(500, 501))
    assert shown(folder) == expected(range(501)), "a process that got the same id goes on"
    again.close()


@pytest.mark.parametrize("full_after", [0, 5, 200], ids=["from the start", "when nothing has to grow", "in mid-growth"])
def test_without_space_they_move_to_the_second_folder(
    folder: Path, fill: Callable[..., None], tmp_path: Path, full_after: int
) -> None:
    if not full_after:
        fill(folder)
    file = CountedFile(str(folder / f"counter_{PID}.db"))
    count(file, range(full_after))
    fill(folder)
    count(file, range(full_after, 500))
    assert shown(folder) == expected(range(500))
    assert list(folder.iterdir()) == []
    assert not is_complete(folder)
    process_ended(folder, PID)
    assert shown(folder) == expected(range(500)), "what it has counted stays"
    file.close()
    metrics_folder.remove(folder)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_without_any_space_each_counts_for_itself_until_there_is_some(
    folder: Path, fill: Callable[..., None], tmp_path: Path
) -> None:
    file = CountedFile(str(folder / f"counter_{PID}.db"))
    count(file, range(50))
    fill(tmp_path)
    count(file, range(50, 500))
    first = len(shown(folder))
    assert 50 <= first < 500
    assert shown(folder) == expected(range(first)), "what others can read is what there was space for"
    assert not is_complete(folder)
    assert file.read_value(key(499)) == (499.0, 0.0)  # type: ignore[no-untyped-call]  # prometheus_client's
    fill()
    assert is_complete(folder)
    count(file, range(500, 501))
    assert shown(folder) == expected(range(501))
    file.close()


def test_without_a_folder_it_counts_all_the_same(tmp_path: Path, folder: Path) -> None:
    folder.rmdir()
    (tmp_path / "temporary").rmdir()
    file = CountedFile(str(folder / f"gauge_livemax_{PID}.db"))
    count(file, range(3))
    assert shown(folder) == {}
    assert not is_complete(folder)
    process_ended(folder, PID)
    file.close()


def test_a_file_that_is_only_begun_disturbs_nobody(folder: Path) -> None:
    (folder / "counter_1.db").touch()
    file = CountedFile(str(folder / f"counter_{PID}.db"))
    count(file, range(3))
    assert shown(folder) == expected(range(3))
    file.close()


def test_a_damaged_file_hides_no_other(folder: Path) -> None:
    (folder / "counter_1.db").write_bytes(b"\xff\x00\x00\x00" * 8192)
    file = CountedFile(str(folder / f"counter_{PID}.db"))
    count(file, range(3))
    assert shown(folder) == expected(range(3))
    file.close()


@pytest.mark.parametrize("left", [b"", b"\x08", b"garbage " * 4096, b"\x40\x00\x00\x00\x00\x00\x00\x00" + b"\xff" * 99])
def test_what_cannot_be_read_of_an_earlier_process_is_begun_anew(folder: Path, left: bytes) -> None:
    path = folder / f"counter_{PID}.db"
    path.write_bytes(left)
    file = CountedFile(str(path))
    count(file, range(3))
    assert shown(folder) == expected(range(3))
    file.close()


def test_a_folder_of_another_user_is_not_written_to(folder: Path, fill: Callable[..., None], tmp_path: Path) -> None:
    """In the temporary folder everybody may put something."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    trap = tmp_path / "temporary" / "figures"
    trap.mkdir()
    (trap / f"counter_{PID}.db").symlink_to(precious)
    fill(folder)
    file = CountedFile(str(folder / f"counter_{PID}.db"))
    count(file, range(3))
    assert precious.read_text() == "precious"
    assert not is_complete(folder)
    file.close()
    (trap / f"counter_{PID}.db").unlink()
    trap.rmdir()
    trap.symlink_to(tmp_path / "memory")
    with pytest.raises(PermissionError):
        metrics_folder.refuse_others(trap)


def test_the_library_counts_in_these_files(tmp_path: Path) -> None:
    program = """
from onboarding_bot.observability import metrics
from prometheus_client import values
print(values.MmapedDict.__name__)
metrics.redis_failed()
"""
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout == "CountedFile\n"
    (counted,) = [family for family in AllFiles(tmp_path).collect() if family.name == "redis_errors"]
    assert [sample.value for sample in counted.samples] == [1.0]
