"""No test is green because the bot survived a fault of its own: whatever it catches and logs is looked at here.

The scheduler, the jobs and the webhook go on after any error, which is right for people and blinds a test.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from onboarding_bot.observability import logs

# What no outage, no Twilio and no stored value brings: only a mistake in the code, or in a test's own fake.
MISTAKES = (AssertionError, AttributeError, LookupError, NameError, NotImplementedError, TypeError, ZeroDivisionError)
MARK = "mistakes_are_made"

_describe = logs.describe
_described: list[BaseException] = []


def _listen(error: BaseException) -> dict[str, Any]:
    _described.append(error)
    return _describe(error)


def pytest_collection_finish() -> None:
    """Every module has been imported by now, and holds ``describe`` under its own name."""
    for name, module in list(sys.modules.items()):
        if name.startswith("onboarding_bot.") and vars(module).get("describe") is _describe:
            vars(module)["describe"] = _listen


@pytest.fixture(autouse=True)
def no_mistake_is_swallowed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test in which the bot caught a mistake; one that makes mistakes on purpose is marked."""
    _described.clear()
    yield
    if request.node.get_closest_marker(MARK) is None:
        assert [error for error in _described if isinstance(error, MISTAKES)] == []
