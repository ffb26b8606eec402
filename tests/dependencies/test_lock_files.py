"""The lock files are in step with the readable lists; whoever breaks one of these tests runs ``./deploy.sh lock``."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import pairwise

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dependencies.lock_files import LISTS, lock_of, read_lock
from tests.docs.pages import PAGES, ROOT

# Where the bot runs. Its packages have markers, so each of these gets packages of its own.
MACHINES = {
    f"Python {python} on {system} {machine}": {
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[system],
        "platform_machine": machine,
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for python in ("3.11.2", "3.11.9", "3.12.1", "3.13.0", "3.14.0")
    for system, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
}


def read_list(name: str) -> list[Requirement]:
    """What a readable list names, with what it includes."""
    found = []
    for line in (ROOT / name).read_text().splitlines():
        if included := re.fullmatch(r"-r (\S+)", line):
            found += read_list(included[1])
        elif line and not line.startswith("#"):
            found.append(Requirement(line))
    return found


def holds(requirement: Requirement, machine: dict[str, str], extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**machine, "extra": extra})


def locked_on(machine: dict[str, str], name: str) -> dict[str, Requirement]:
    """What pip installs there from the lock file of a list, by name."""
    packages = [package.requirement for package in read_lock(ROOT / lock_of(name))]
    there = [package for package in packages if holds(package, machine)]
    found: dict[str, Requirement] = {canonicalize_name(package.name): package for package in there}
    assert len(found) == len(there), "a package stands there in two versions"
    return found


def version_of(locked: Requirement) -> str:
    (pin,) = locked.specifier
    assert pin.operator == "=="
    return pin.version


def needs_of(package: str, extras: set[str], machine: dict[str, str]) -> list[Requirement]:
    """What a package needs there, as its installed release says; nothing for one that this machine does without."""
    try:
        needs = [Requirement(text) for text in requires(package) or []]
    except PackageNotFoundError:
        return []
    return [need for need in needs if any(holds(need, machine, extra) for extra in ["", *extras])]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_everything_that_is_needed_is_locked_and_nothing_else(name: str, machine: dict[str, str]) -> None:
    locked = locked_on(machine, name)
    needed = set()
    waiting = [requirement for requirement in read_list(name) if holds(requirement, machine)]
    looked_at = set()
    while waiting:
        requirement = waiting.pop()
        package = canonicalize_name(requirement.name)
        assert package in locked, f"{requirement} is not locked"
        assert requirement.specifier.contains(version_of(locked[package]), prereleases=True), f"{requirement}"
        needed.add(package)
        if (package, *sorted(requirement.extras)) not in looked_at:
            looked_at.add((package, *sorted(requirement.extras)))
            waiting += needs_of(package, requirement.extras, machine)
    assert set(locked) - needed == set(), "nobody needs these any more"


def test_the_tests_run_on_what_is_locked() -> None:
    """Where a package is missing, the test above would believe that it needs nothing."""
    here = [package.requirement for package in read_lock(ROOT / lock_of(LISTS[-1]))]
    locked = {package.name: version_of(package) for package in here if holds(package, {})}
    assert {name: version(name) for name in locked} == locked


@pytest.mark.parametrize("name", LISTS)
def test_every_package_has_a_version_and_sha256_hashes(name: str) -> None:
    packages = read_lock(ROOT / lock_of(name))
    assert packages
    for package in packages:
        assert version_of(package.requirement)
        assert package.hashes, package.requirement.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in package.hashes)


@pytest.mark.parametrize(("smaller", "larger"), [*pairwise(LISTS)])
@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_a_lock_file_contains_that_of_the_included_list(smaller: str, larger: str, machine: dict[str, str]) -> None:
    inner, outer = locked_on(machine, smaller), locked_on(machine, larger)
    assert {name: version_of(package) for name, package in inner.items()} == {
        name: version_of(package) for name, package in outer.items() if name in inner
    }


@pytest.mark.parametrize("name", LISTS)
def test_a_lock_file_has_the_same_hashes_as_the_others(name: str) -> None:
    everything = {package.requirement.name: package.hashes for package in read_lock(ROOT / lock_of(LISTS[-1]))}
    for package in read_lock(ROOT / lock_of(name)):
        assert everything[package.requirement.name] == package.hashes, package.requirement.name


@pytest.mark.parametrize("name", LISTS)
def test_the_readable_lists_pin_what_they_name(name: str) -> None:
    assert [
        str(requirement) for requirement in read_list(name) if not str(requirement.specifier).startswith("==")
    ] == []


def installations() -> list[str]:
    """Every call of pip in the image or in a document for packages of others, with the words that follow it."""
    files = [*PAGES, ROOT / "Dockerfile"]
    flat = [re.sub(r"\s*\\?\n\s*", " ", file.read_text()) for file in files]
    return [found for text in flat for found in re.findall(r"-m pip\b[^`]*? install\b(?! --no-deps).{,180}", text)]


def test_whatever_is_installed_is_compared_with_its_hash() -> None:
    calls = installations()
    assert len(calls) >= 2
    for call in calls:
        assert "--require-hashes --only-binary :all:" in call
        assert re.search(r"requirements[a-z-]*\.lock\b", call), call
