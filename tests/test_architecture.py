"""The house: which room may import which, what stays out of the conversation, and how a module introduces itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "onboarding_bot"
MODULES = sorted(PACKAGE.rglob("*.py"))
OWN_ROOMS = ("simulator", "bench", "dependencies")
OWN_FILES = sorted([*MODULES, *(path for room in OWN_ROOMS for path in (ROOT / room).rglob("*.py")), ROOT / "main.py"])
PURE = sorted(path for room in ("conversation", "outbound", "analytics") for path in (PACKAGE / room).glob("*.py"))
# Names that say nothing about what is inside.
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "base", "core", "stuff"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_a_room_imports_only_from_the_rooms_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    # Its own set-up of logging would switch the loggers of all tests after it off.
    monkeypatch.setattr("importlinter.cli._configure_logging", lambda _verbose: None)
    assert lint_imports(no_cache=True, no_logo=True) == 0


def test_every_room_stands_in_the_layers() -> None:
    """A new folder or module that no contract names would be free to import what it likes."""
    named = set(re.findall(r"onboarding_bot\.(\w+)", (ROOT / "pyproject.toml").read_text()))
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert {room for room in rooms if not room.startswith("__")} - named == set()


# --- purity --------------------------------------------------------------------------------------------------------

# What would tie a pure module to a clock, to chance, to the machine, or to the network.
IMPURE_MODULES = {"os", "time", "random", "secrets", "socket", "subprocess", "pathlib", "io", "threading", "logging"}
IMPURE_CALLS = {"now", "utcnow", "today", "open", "print", "input", "getenv", "uuid1", "uuid4", "sleep"}


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from (alias.name.split(".")[0] for alias in node.names)
            case ast.ImportFrom():
                yield (node.module or "").split(".")[0]


def calls(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
                yield name


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_a_pure_room_has_no_clock_no_chance_and_no_world(path: Path) -> None:
    tree = tree_of(path)
    assert not set(imports(tree)) & IMPURE_MODULES
    assert not set(calls(tree)) & IMPURE_CALLS
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global | ast.Nonlocal)]


def test_only_config_reads_the_environment() -> None:
    readers = [
        name_of(path)
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
        and getattr(node.value, "id", "") == "os"
    ]  # fmt: skip
    assert set(readers) == {"onboarding_bot/config.py"}


def test_only_wiring_builds_the_parts_and_only_the_app_flask() -> None:
    parts = {
        *("WhatsAppBot", "TurnCommitter", "RedisSessionStore", "AuthApi", "Texts", "LoginLinks", "Cipher", "Engine"),
        *("BroadcastRecords", "Audiences", "Recipients", "Contacts", "Suppressions", "Leases", "SendSlots"),
        *("Erasures", "TwilioMessages", "Audience", "BroadcastService", "StatusCallbacks", "BroadcastSender"),
    }
    builders = {(name, name_of(path)) for path in MODULES for name in calls(tree_of(path)) if name in parts | {"Flask"}}
    assert builders == {(part, "onboarding_bot/wiring.py") for part in parts} | {("Flask", "onboarding_bot/app.py")}


# --- manners -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", OWN_FILES, ids=name_of)
def test_a_module_says_in_a_sentence_what_it_owns(path: Path) -> None:
    docstring = ast.get_docstring(tree_of(path)) or ""
    first = docstring.split("\n\n")[0].replace("\n", " ")
    assert re.fullmatch(r"\S.*[.?!]", first), docstring
    assert len(first) <= 240


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_what_others_may_use_is_explained_and_annotated(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"class {node.name}"
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    assert ast.get_docstring(method), f"{node.name}.{method.name}"
    for function in tree_of(path).body:
        if isinstance(function, ast.FunctionDef) and not function.name.startswith("_"):
            assert ast.get_docstring(function), function.name
            assert function.returns is not None, function.name


@pytest.mark.parametrize("path", OWN_FILES, ids=name_of)
def test_names_say_something_and_nothing_is_left_for_later(path: Path) -> None:
    assert not EMPTY_NAMES & set(path.relative_to(ROOT).with_suffix("").parts)
    for word in ("TODO", "FIXME", "XXX", "HACK", "NotImplementedError"):
        assert not re.search(rf"\b{word}\b", path.read_text()), word


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_exception_is_swallowed(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, node.lineno
            assert not all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body), node.lineno
