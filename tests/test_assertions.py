"""Every test can fail: it asserts something, itself or by a helper that is named here, and nothing keeps that quiet."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [
    path for path in (ROOT / "test_bot.py", *sorted((ROOT / "tests").rglob("*.py"))) if "node_modules" not in path.parts
]
# The ways of pytest, of playwright, and of schemathesis.
ASSERTING = {"raises", "warns", "fail", "expect", "call_and_validate"}
# Helpers that tests leave their assertions to: each looks at what came of what it does.
HELPERS = {
    "_shows",
    "assert_each_is_unavailable",
    "assert_problem",
    "does_not_hear",
    "expect_fault",
    "expect_form_fault",
    "expect_problem",
    "expects_data",
    "expects_step",
    "hears",
    "postpones",
    "signs_in",
    "silent",
    "submits",
}
# An error of one of these kinds may be an assertion that failed.
ANYTHING = {"Exception", "BaseException", "AssertionError"}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def called_in(tree: ast.AST) -> set[str]:
    """The last names of what is called: ``hears`` of ``talker.hears(…)``."""
    targets = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "") for target in targets}


def asserts(function: ast.FunctionDef, helpers: set[str] = HELPERS) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(function)) or bool(
        called_in(function) & (ASSERTING | helpers)
    )


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_test_asserts_something(path: Path) -> None:
    tests = (function for function in functions(tree_of(path)) if function.name.startswith("test_"))
    assert [test.name for test in tests if not asserts(test)] == []


@pytest.mark.parametrize("helper", sorted(HELPERS))
def test_a_helper_that_tests_rely_on_asserts(helper: str) -> None:
    meant = [function for tree in map(tree_of, FILES) for function in functions(tree) if function.name == helper]
    assert [asserts(function, HELPERS - {helper}) for function in meant] == [True] * max(1, len(meant))


def cannot_fail(test: ast.expr) -> bool:
    """What is always true: a constant, a tuple, a generator that nobody reads, or one thing compared with itself."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        return any(cannot_fail(value) for value in test.values)
    if isinstance(test, ast.Compare):
        return isinstance(test.left, ast.Name | ast.Attribute) and ast.dump(test.left) == ast.dump(test.comparators[0])
    return isinstance(test, ast.Constant | ast.Tuple | ast.GeneratorExp | ast.Lambda)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_assertion_is_true_by_itself(path: Path) -> None:
    assertions = (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Assert))
    assert [ast.unparse(node) for node in assertions if cannot_fail(node.test)] == []


def caught_by(node: ast.AST) -> list[ast.expr | None]:
    """The kinds of error that go no further here; None is whatever comes."""
    if isinstance(node, ast.ExceptHandler) and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
        return list(node.type.elts) if isinstance(node.type, ast.Tuple) else [node.type]
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("suppress", "contextlib.suppress"):
        return list(node.args)
    return []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_failed_assertion_is_caught(path: Path) -> None:
    nodes = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ExceptHandler | ast.Call)]
    caught = [(node, kind) for node in nodes for kind in caught_by(node)]
    assert [node.lineno for node, kind in caught if kind is None or ast.unparse(kind) in ANYTHING] == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_what_is_given_to_a_pool_is_asked_for_its_outcome(path: Path) -> None:
    """What fails in another thread is raised by its result alone."""
    pools = {
        item.optional_vars.id
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name) and "PoolExecutor" in ast.unparse(item.context_expr)
    }
    lost = [
        ast.unparse(node)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and ast.unparse(node.value.func.value) in pools
    ]
    assert lost == []


@pytest.mark.parametrize(
    ("source", "can_fail"),
    [
        pytest.param("world.tick()", False, id="it only acts"),
        pytest.param("assert world.status is DONE", True, id="an assertion"),
        pytest.param("with pytest.raises(ValueError):\n        act()", True, id="an error"),
        pytest.param("talker.says('Hi').hears('Welcome')", True, id="a helper"),
        pytest.param("talker.says('Hi')", False, id="a helper that only acts"),
    ],
)
def test_which_tests_can_fail(source: str, can_fail: bool) -> None:
    (function,) = functions(ast.parse(f"def test_it():\n    {source}"))
    assert asserts(function) is can_fail


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("True", True),
        ("(found == 1, 'one')", True),
        ("(row for row in rows)", True),
        ("found == found", True),
        ("found or True", True),
        ("found == 1", False),
        ("all(row for row in rows)", False),
    ],
)
def test_which_assertions_cannot_fail(source: str, expected: bool) -> None:
    assert cannot_fail(ast.parse(source, mode="eval").body) is expected
