"""Every counter has its place, and keeps it: rows that an older release wrote are read by the same table."""

from __future__ import annotations

import ast
import hashlib
from itertools import product
from pathlib import Path

import pytest

from onboarding_bot.analytics.counter_layout import COUNTER_NAMES, UNLISTED, counters_in, position_of
from onboarding_bot.analytics.histograms import OVER, STEP_SECONDS, WEBHOOK_MILLISECONDS
from onboarding_bot.analytics.postal_circles import CIRCLES
from onboarding_bot.conversation import validators
from onboarding_bot.conversation.sectors import SECTORS
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.conversation.turn import OtpResult
from onboarding_bot.languages import FOLDER

# So many counters have been released, in this order. Append to the table, and then move this on.
RELEASED, DIGEST = 261, "87f8e5a181dfd65e35f539708edea987ee75400f927acb689b4946935a9c8121"
STEPS_WITH_A_QUESTION = [step for step in OnboardingStep if step is not OnboardingStep.COMPLETED]
LANGUAGES = [path.parent.name for path in FOLDER.glob("*/messages.po")]


def codes_of_validators() -> list[str]:
    """Every code that a validator gives, as its source says."""
    tree = ast.parse(Path(validators.__file__).read_text())
    return [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "InvalidInput"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    ]


def test_what_was_released_keeps_its_place() -> None:
    assert hashlib.sha256("\n".join(COUNTER_NAMES[:RELEASED]).encode()).hexdigest() == DIGEST


def test_no_name_stands_twice() -> None:
    assert len(set(COUNTER_NAMES)) == len(COUNTER_NAMES)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([f"{what}:{step}" for what, step in product(("entered", "ended"), OnboardingStep)], id="steps"),
        pytest.param([f"completed:{step}" for step in STEPS_WITH_A_QUESTION], id="completed steps"),
        pytest.param(
            [f"seconds:{step}:{bound}" for step, bound in product(STEPS_WITH_A_QUESTION, (*STEP_SECONDS, OVER))],
            id="seconds",
        ),
        pytest.param([f"milliseconds:{bound}" for bound in (*WEBHOOK_MILLISECONDS, OVER)], id="milliseconds"),
        pytest.param([f"otp:{result}" for result in OtpResult], id="OTP results"),
        pytest.param(
            [f"{what}:language:{language}" for what, language in product(("started", "completed"), LANGUAGES)],
            id="languages",
        ),
        pytest.param(
            [f"{what}:sector:{sector}" for what, sector in product(("started", "completed"), SECTORS)], id="sectors"
        ),
        pytest.param(
            [f"{what}:circle:{circle}" for what, circle in product(("started", "completed"), CIRCLES)], id="circles"
        ),
        pytest.param([f"invalid:{code.split('.')[0]}:{code}" for code in codes_of_validators()], id="reasons"),
        pytest.param(["invalid:name:name.doubtful", "invalid:name:name.declined"], id="reasons of the name question"),
    ],
)
def test_everything_that_is_counted_has_its_place(names: list[str]) -> None:
    assert names
    assert [name for name in names if name not in COUNTER_NAMES] == [], (
        "append them to onboarding_bot/analytics/counter_layout.py"
    )


def test_what_has_no_place_is_counted_all_the_same() -> None:
    assert COUNTER_NAMES[position_of("started:language:xx")] == UNLISTED


def test_a_row_of_another_release_is_read_as_far_as_both_go() -> None:
    assert counters_in([]) == {}
    assert counters_in([3, 2]) == {"webhooks": 3, "failures": 2}
    assert len(counters_in([1] * (len(COUNTER_NAMES) + 5))) == len(COUNTER_NAMES)
