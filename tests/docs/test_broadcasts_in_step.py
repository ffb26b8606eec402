"""The admins' chapter names every field, status, state, reason and error code that they can meet, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from onboarding_bot.fields import fields_of
from onboarding_bot.outbound.broadcast_definition import BroadcastRequest
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState, SkipReason
from onboarding_bot.outbound.twilio_errors import ERRORS
from onboarding_bot.storage.scripts import FOLDER
from tests.docs.pages import ROOT, rows, section, text_of

PAGE = ROOT / "docs" / "broadcasts.md"


def part(heading: str) -> str:
    """What stands under a heading of the third level."""
    return text_of(PAGE).partition(f"\n### {heading}\n")[2].partition("\n##")[0]


def first_column(text: str) -> set[str]:
    return {name for row in rows(text) for name in re.findall(r"`(\w+)`", row[0])}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (section(PAGE, "Starting one"), fields_of(BroadcastRequest)),
        (part("The state of a recipient"), RecipientState),
        (part("Skipped"), SkipReason),
    ],
    ids=["fields", "states", "reasons"],
)
def test_the_table_names_all_of_them(text: str, names: Iterable[str]) -> None:
    assert first_column(text) == {str(name) for name in names}


def test_every_status_has_its_line() -> None:
    assert first_column(part("Status").partition("What a `sending`")[0]) == {str(status) for status in BroadcastStatus}


def test_every_error_code_that_the_bot_knows_has_its_line() -> None:
    named = {int(code) for row in rows(part("Error codes")) for code in re.findall(r"\b\d{5}\b", row[0])}
    assert named == set(ERRORS)


def test_the_architecture_names_every_script() -> None:
    page = text_of(ROOT / "docs" / "architecture.md")
    assert [script.name for script in FOLDER.glob("*.lua") if f"storage/lua/{script.name}" not in page] == []
