"""Which counters of a day a turn moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onboarding_bot.analytics.counter_layout import COUNTER_NAMES
from onboarding_bot.analytics.counters import day_counters_of
from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.session import OnboardingStep, Reservation, UserSession
from onboarding_bot.conversation.turn import Milestone, OtpResult, RequestOtp, Turn, TurnResult

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MINUTE_AGO = NOW - timedelta(minutes=1)
WAITED = "milliseconds:30"
DATA = {"name": "Asha Devi", "sector": "Retail", "pincode": "560001", "phone": "+919876543210"}
EFFECT = RequestOtp("id", "SM1", Reservation("id.1", "+919876543210"), {})


def at(step: str, data: dict[str, str] | None = None, entered_at: datetime | None = MINUTE_AGO) -> UserSession:
    return UserSession(OnboardingStep(step), NOW, NOW, data or {}, entered_at=entered_at)


def turn(after: UserSession, result: TurnResult = TurnResult.ACCEPTED, **changes: Any) -> Turn:
    contact = Contact("whatsapp:IN.1234", None, NOW, NOW)
    return replace(Turn(after.current_step, after, contact, (), result), **changes)


STARTED, COMPLETED = frozenset({Milestone.STARTED}), frozenset({Milestone.COMPLETED})


@pytest.mark.parametrize(
    ("before", "what_happened", "counted"),
    [
        pytest.param(
            None,
            turn(at("name"), TurnResult.GREETED, milestones=STARTED),
            {"entered:name", "started:language:hi", WAITED},
            id="a new person",
        ),
        pytest.param(
            None, turn(at("welcome"), TurnResult.GREETED), {"entered:welcome", WAITED}, id="back with a draft"
        ),
        pytest.param(None, turn(at("completed"), TurnResult.GREETED), {WAITED}, id="back and registered"),
        pytest.param(
            at("name"),
            turn(at("sector", {"name": "Asha Devi"})),
            {"entered:sector", "completed:name", "seconds:name:60", WAITED},
            id="an answer",
        ),
        pytest.param(
            at("name", entered_at=None),
            turn(at("sector", {"name": "Asha Devi"})),
            {"entered:sector", "completed:name", WAITED},
            id="an answer in a step that an older release began",
        ),
        pytest.param(
            at("sector", {"name": "Asha Devi"}),
            turn(at("pincode", {"name": "Asha Devi", "sector": "Food & Beverage"})),
            {"entered:pincode", "completed:sector", "seconds:sector:60", "started:sector:Food & Beverage", WAITED},
            id="a sector",
        ),
        pytest.param(
            at("sector", DATA),
            turn(at("confirmation", DATA)),
            {"entered:confirmation", "completed:sector", "seconds:sector:60", WAITED},
            id="the same sector again",
        ),
        pytest.param(
            at("pincode"),
            turn(at("phone", DATA)),
            {"entered:phone", "completed:pincode", "seconds:pincode:60", "started:circle:Karnataka", WAITED},
            id="a pincode",
        ),
        pytest.param(
            at("welcome"),
            turn(at("pincode", DATA), step=OnboardingStep.PINCODE),
            {"entered:pincode", "completed:welcome", "seconds:welcome:60", WAITED},
            id="going on with a draft names nothing anew",
        ),
        pytest.param(
            at("welcome"),
            turn(at("name"), TurnResult.COMMAND),
            {"entered:name", "completed:welcome", "seconds:welcome:60", WAITED},
            id="starting over instead",
        ),
        pytest.param(
            at("name"),
            turn(at("name"), TurnResult.REJECTED, fault="name.short"),
            {"invalid:name:name.short", WAITED},
            id="a wrong answer",
        ),
        pytest.param(at("sector"), turn(at("name"), TurnResult.COMMAND), {"entered:name", WAITED}, id="BACK"),
        pytest.param(
            at("name", DATA),
            turn(at("confirmation", DATA), TurnResult.COMMAND),
            {"entered:confirmation", WAITED},
            id="BACK from a correction leads forward, and answers nothing",
        ),
        pytest.param(
            at("confirmation", DATA),
            turn(at("sector", DATA)),
            {"entered:sector", WAITED},
            id="a correction begins",
        ),
        pytest.param(at("confirmation"), turn(at("confirmation"), TurnResult.EFFECT, effect=EFFECT), set(), id="YES"),
        pytest.param(
            at("confirmation", DATA),
            turn(at("completed", DATA), TurnResult.OUTCOME, milestones=COMPLETED, otp_result=OtpResult.SENT),
            {
                "entered:completed",
                "completed:confirmation",
                "seconds:confirmation:60",
                "completed:language:hi",
                "completed:sector:Retail",
                "completed:circle:Karnataka",
                "otp:sent",
                WAITED,
            },
            id="the OTP is out",
        ),
        pytest.param(
            at("confirmation", DATA),
            turn(at("confirmation", DATA), TurnResult.LATE_OUTCOME, otp_result=OtpResult.NOT_SENT),
            {"otp:not_sent"},
            id="nobody waits for a late outcome",
        ),
        pytest.param(at("name"), turn(at("name"), TurnResult.REMINDER), set(), id="a reminder"),
        pytest.param(at("name"), turn(at("name"), TurnResult.COMMAND), {WAITED}, id="HELP"),
    ],
)
def test_what_a_turn_counts_for_its_day(before: UserSession | None, what_happened: Turn, counted: set[str]) -> None:
    moved = day_counters_of(before, what_happened, "hi", NOW, 0.025)
    assert moved == dict.fromkeys(counted, 1)
    assert set(moved) <= set(COUNTER_NAMES)
