"""From turns to counters, and from sums to the figures of /stats."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding_bot.analytics.counters import counters_of
from onboarding_bot.analytics.figures import figures, period_figures
from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.session import OnboardingStep, Reservation, UserSession
from onboarding_bot.conversation.turn import Milestone, RequestOtp, Turn, TurnResult

NOW = datetime(2026, 11, 22, tzinfo=UTC)
TURN = Turn(
    step=OnboardingStep.NAME,
    session=UserSession.start(OnboardingStep.NAME, NOW),
    contact=Contact("whatsapp:IN.1234", None, NOW, NOW),
    reply=(),
    result=TurnResult.ACCEPTED,
)
PERIOD = period_figures({NOW.date(): []}, ["en"])
EFFECT = RequestOtp("id", "SM1", Reservation("id.1", "+919876543210"), {})


@pytest.mark.parametrize(
    ("turn", "failures", "counted"),
    [
        pytest.param(TURN, 0, {"webhooks": 1}, id="a turn"),
        pytest.param(
            replace(TURN, milestones=frozenset({Milestone.STARTED})), 0, {"webhooks": 1, "started": 1}, id="the first"
        ),
        pytest.param(
            replace(TURN, milestones=frozenset({Milestone.COMPLETED})),
            0,
            {"webhooks": 1, "completed": 1},
            id="the last",
        ),
        pytest.param(replace(TURN, effect=EFFECT), 0, {}, id="a turn whose reply comes later"),
        pytest.param(TURN, 3, {"webhooks": 4, "failures": 3}, id="after three webhooks that failed"),
        pytest.param(replace(TURN, effect=EFFECT), 2, {"webhooks": 2, "failures": 2}, id="both"),
    ],
)
def test_what_a_turn_counts(turn: Turn, failures: int, counted: dict[str, int]) -> None:
    assert counters_of(turn, failures) == counted


def test_nothing_at_all_is_zero_and_no_division() -> None:
    current = figures({}, {}, PERIOD)
    assert current.total_sessions == current.started == current.completed == 0
    assert current.completion_rate == current.error_rate == 0.0
    assert current.step_distribution == dict.fromkeys(OnboardingStep, 0)


def test_the_figures_of_a_day() -> None:
    sessions = {OnboardingStep.NAME: 3, OnboardingStep.COMPLETED: 5}
    current = figures(sessions, {"started": 9, "completed": 6, "webhooks": 1000, "failures": 25, "news": 7}, PERIOD)
    assert current.total_sessions == 8
    assert list(current.step_distribution.items()) == [
        (OnboardingStep.WELCOME, 0),
        (OnboardingStep.NAME, 3),
        (OnboardingStep.SECTOR, 0),
        (OnboardingStep.PINCODE, 0),
        (OnboardingStep.PHONE, 0),
        (OnboardingStep.CONFIRMATION, 0),
        (OnboardingStep.COMPLETED, 5),
    ]
    assert (current.started, current.completed) == (9, 6)
    assert current.completion_rate == 0.6667
    assert current.error_rate == 0.025


@given(turns=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=20))
@settings(deadline=None, max_examples=50)
def test_rates_are_shares_however_much_fails(turns: list[tuple[bool, int]]) -> None:
    sums: dict[str, int] = {}
    for has_effect, failures in turns:
        turn = replace(TURN, effect=EFFECT if has_effect else None)
        for name, count in counters_of(turn, failures).items():
            sums[name] = sums.get(name, 0) + count
    assert 0 <= figures({}, sums, PERIOD).error_rate <= 1
