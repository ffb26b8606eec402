"""Making the lock files, from an index of the test's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dependencies.lock import lock
from dependencies.lock_files import LISTS, lock_of, read_lock
from tests.dependencies.conftest import Index


@pytest.fixture
def folder(tmp_path: Path, index: Index) -> Path:
    """A project whose house needs a door, and whose builders need a ladder."""
    index.publish("house", "1.0", "door>=1", "stove; python_version < '3.12'")
    index.publish("door", "1.0")
    index.publish("stove", "1.0")
    index.publish("ladder", "1.0", "door<3")
    project = tmp_path / "project"
    project.mkdir()
    (project / LISTS[0]).write_text("# Lived in.\nhouse==1.0\n")
    (project / LISTS[1]).write_text(f"-r {LISTS[0]}\n")
    (project / LISTS[2]).write_text(f"-r {LISTS[1]}\nladder==1.0\n")
    return project


def locked(folder: Path, name: str) -> dict[str, str]:
    """The packages in the lock file of a list, each with its version and marker."""
    packages = [package.requirement for package in read_lock(folder / lock_of(name))]
    return {package.name: str(package).removeprefix(package.name) for package in packages}


def test_each_lock_file_holds_what_its_list_needs_for_every_python(folder: Path) -> None:
    lock(folder, upgrade=False)
    lived_in = {"door": "==1.0", "house": "==1.0", "stove": '==1.0; python_full_version < "3.12"'}
    assert locked(folder, LISTS[0]) == lived_in
    assert locked(folder, LISTS[1]) == lived_in
    assert locked(folder, LISTS[2]) == {**lived_in, "ladder": "==1.0"}
    assert all(package.hashes for name in LISTS for package in read_lock(folder / lock_of(name)))


def test_versions_stay_until_an_upgrade_is_asked_for(folder: Path, index: Index) -> None:
    lock(folder, upgrade=False)
    index.publish("door", "2.0")
    lock(folder, upgrade=False)
    assert {locked(folder, name)["door"] for name in LISTS} == {"==1.0"}
    lock(folder, upgrade=True)
    assert {locked(folder, name)["door"] for name in LISTS} == {"==2.0"}


def test_tools_do_not_decide_what_runs_in_production(folder: Path, index: Index) -> None:
    index.publish("door", "3.0")
    with pytest.raises(subprocess.CalledProcessError):
        lock(folder, upgrade=False)


@pytest.mark.parametrize(
    "tag", ["cp312-cp312-manylinux_2_28_x86_64", "cp311-cp311-manylinux_2_28_aarch64", "py3-none-win_amd64"]
)
def test_a_package_without_a_wheel_for_every_machine_changes_nothing(folder: Path, index: Index, tag: str) -> None:
    lock(folder, upgrade=False)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    index.publish("roof", "1.0", tag=tag)
    (folder / LISTS[2]).write_text(f"-r {LISTS[1]}\nladder==1.0\nroof==1.0\n")
    before[folder / LISTS[2]] = (folder / LISTS[2]).read_bytes()
    with pytest.raises(subprocess.CalledProcessError):
        lock(folder, upgrade=False)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
