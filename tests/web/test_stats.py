"""GET /stats?days=N: where people go on, and where they give up, as an operator asks for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from onboarding_bot.conversation.turn import OtpResult
from tests.fakes import FakeOtpService, MovableClock
from tests.inside import store_of
from tests.settings import ENVIRONMENT
from tests.talker import Talker

ADMIN = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}
STEPS = ["welcome", "name", "sector", "pincode", "phone", "confirmation", "completed"]


def period(app: Flask, days: int = 1) -> dict[str, Any]:
    response = app.test_client().get(f"/stats?days={days}", headers=ADMIN)
    assert response.status_code == 200
    return dict(response.get_json()["period"])


def moved(app: Flask, figure: str, days: int = 1) -> dict[str, Any]:
    """One figure of every step that has any."""
    return {step: figures[figure] for step, figures in period(app, days)["steps"].items() if figures[figure]}


def people(app: Flask, count: int) -> list[Talker]:
    return [Talker(app, f"whatsapp:+9198765{number:05}") for number in range(count)]


# --- the question --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", ["0", "91", "-1", "1.5", "", "seven", "٣", "1e1", "٩٠", " 7", "999999999999"])
def test_days_that_nobody_can_have_are_refused(app: Flask, days: str) -> None:
    response = app.test_client().get("/stats", query_string={"days": days}, headers=ADMIN)
    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"
    assert response.get_json()["field"] == "days"


@pytest.mark.parametrize(("days", "first_day"), [("1", "2026-11-22"), ("7", "2026-11-16"), ("90", "2026-08-25")])
def test_the_days_end_today(app: Flask, days: str, first_day: str) -> None:
    asked = period(app, int(days))
    assert (asked["days"], asked["first_day"], asked["last_day"]) == (int(days), first_day, "2026-11-22")
    assert [day["day"] for day in asked["by_day"]][-1] == "2026-11-22"
    assert len(asked["by_day"]) == int(days)


def test_without_days_it_is_today(app: Flask) -> None:
    assert app.test_client().get("/stats", headers=ADMIN).get_json()["period"] == period(app, 1)


def test_the_figures_of_nobody_have_their_whole_shape(app: Flask) -> None:
    asked = period(app)
    nothing = {"entered": 0, "completed": 0, "given_up": 0, "invalid": {}, "median_seconds": None, "p90_seconds": None}
    assert asked["steps"] == dict.fromkeys(STEPS, nothing)
    assert asked["webhooks"] == {
        "count": 0, "failures": 0, "error_rate": 0.0, "p50_ms": None, "p95_ms": None, "p99_ms": None,
    }  # fmt: skip
    assert asked["otp_requests"] == dict.fromkeys(map(str, OtpResult), 0)
    assert set(asked["by_language"]) == {"en", "hi"}
    assert len(asked["by_sector"]) == 12
    assert "Karnataka" in asked["by_circle"]


# --- the funnel ----------------------------------------------------------------------------------------------------


def test_a_whole_sign_up(app: Flask, talker: Talker, clock: MovableClock) -> None:
    for text in ("Hi", "Asha Devi", "7", "560001", "98765 43210", "YES"):
        clock.pass_(seconds=20)
        talker.says(text)
    assert moved(app, "entered") == dict.fromkeys(STEPS[1:], 1)
    assert moved(app, "completed") == dict.fromkeys(STEPS[1:], 1)
    assert moved(app, "median_seconds") == dict.fromkeys(STEPS[1:-1], 17.5)
    assert moved(app, "given_up") == {}
    asked = period(app)
    assert (asked["started"], asked["completed"]) == (1, 1)
    assert asked["otp_requests"]["sent"] == 1
    assert asked["webhooks"]["count"] == 6


def test_refused_answers_by_their_reason(app: Flask, talker: Talker) -> None:
    talker.says_all(
        "Hi", "4", "x", "y", "Asha Devi", "13", "7", "56001", "1", "560001", "12345", "1", "perhaps", "NO", "9"
    )
    assert moved(app, "invalid") == {
        "name": {"name.characters": 1, "name.short": 2},
        "sector": {"sector.number": 1},
        "pincode": {"pincode.count": 2},
        "phone": {"phone.count": 1},
        "confirmation": {"confirmation.unclear": 1, "change.unclear": 1},
    }


def test_who_comes_back_and_says_something_else(app: Flask, talker: Talker, clock: MovableClock, redis: Any) -> None:
    talker.says_all("Hi", "Asha Devi")
    redis.delete(*redis.keys("*:session:*"))  # as it expires in Redis
    talker.says_all("Hi", "perhaps")
    assert moved(app, "invalid") == {"welcome": {"draft.choice": 1}}


def test_who_goes_back_enters_again_and_has_completed_nothing_by_it(app: Flask, talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "BACK", "Asha Rao", "7")
    assert moved(app, "entered") == {"name": 2, "sector": 2, "pincode": 1}
    assert moved(app, "completed") == {"name": 2, "sector": 1}


def test_a_correction_is_no_completed_confirmation(app: Flask, talker: Talker) -> None:
    talker.answers_everything().says_all("NO", "2", "8", "NO", "2", "BACK", "YES").expects_step("completed")
    assert moved(app, "entered")["confirmation"] == 3
    assert moved(app, "completed")["confirmation"] == 1
    assert (moved(app, "entered")["sector"], moved(app, "completed")["sector"]) == (3, 2)


def test_restart_leaves_a_step_without_completing_it(app: Flask, talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "RESTART", "RESTART", "Asha Devi")
    assert moved(app, "entered") == {"name": 2, "sector": 2}
    assert moved(app, "completed") == {"name": 2}


def test_a_login_later_moves_nothing_but_its_otp(app: Flask, talker: Talker, clock: MovableClock) -> None:
    talker.answers_everything().says("YES")
    before = moved(app, "entered")
    clock.pass_(minutes=2)
    talker.says("LOGIN").hears("token=")
    assert moved(app, "entered") == before
    assert period(app)["otp_requests"]["sent"] == 2
    assert period(app)["completed"] == 1


@pytest.mark.parametrize("result", [result for result in OtpResult if result is not OtpResult.LIMITED])
def test_otp_requests_by_their_outcome(
    app: Flask, talker: Talker, otp_service: FakeOtpService, result: OtpResult
) -> None:
    otp_service.result = result
    talker.answers_everything().says("YES")
    asked = period(app)["otp_requests"]
    assert {outcome: count for outcome, count in asked.items() if count} == {result: 1}


def test_an_otp_that_a_limit_is_in_the_way_of(app: Flask, talker: Talker, clock: MovableClock) -> None:
    talker.answers_everything().says_all("YES", "LOGIN")
    other = Talker(app, "whatsapp:+919876500000")
    other.says_all("Hi", "Asha Devi", "7", "560001", "98765 43210", "YES")
    assert period(app)["otp_requests"] == {
        "sent": 1, "limited": 2, "not_sent": 0, "ambiguous": 0, "refused": 0, "refused_known_number": 0,
    }  # fmt: skip


# --- giving up -----------------------------------------------------------------------------------------------------


def count_expired_sessions(app: Flask, clock: MovableClock) -> None:
    """What the worker does once a minute."""
    store_of(app).count_expired_sessions(clock.moment)


def test_who_is_silent_for_a_day_has_given_up_where_the_question_was(app: Flask, clock: MovableClock) -> None:
    for number, talker in enumerate(people(app, 4)):
        talker.says_all("Hi", *["Asha Devi", "7", "560001"][:number])
    Talker(app, "whatsapp:+919876599999").answers_everything().says("YES")
    count_expired_sessions(app, clock)
    assert moved(app, "given_up") == {}
    clock.pass_(hours=24, minutes=1)
    count_expired_sessions(app, clock)
    count_expired_sessions(app, clock)
    assert moved(app, "given_up") == {"name": 1, "sector": 1, "pincode": 1, "phone": 1}
    clock.pass_(hours=24)
    assert moved(app, "given_up", days=1) == {}
    assert moved(app, "given_up", days=2) == {"name": 1, "sector": 1, "pincode": 1, "phone": 1}


def test_who_comes_back_had_given_up_once(app: Flask, talker: Talker, clock: MovableClock, redis: Any) -> None:
    talker.says_all("Hi", "Asha Devi")
    clock.pass_(hours=25)
    redis.delete(*redis.keys("*:session:*"))  # as it expires in Redis
    talker.says("Hi").expects_step("welcome")
    assert moved(app, "given_up") == {"sector": 1}
    count_expired_sessions(app, clock)
    assert moved(app, "given_up") == {"sector": 1}
    talker.says("1").expects_step("sector")
    assert moved(app, "completed")["welcome"] == 1


# --- groups --------------------------------------------------------------------------------------------------------


def test_small_groups_are_not_told(app: Flask) -> None:
    for number, talker in enumerate(people(app, 9)):
        talker.says_all("Hi" if number < 5 else "नमस्ते", "Asha Devi", "7", "560001" if number < 5 else "110001")
    asked = period(app)
    assert asked["by_language"] == {
        "en": {"started": 5, "completed": "fewer than 5"},
        "hi": {"started": "fewer than 5", "completed": "fewer than 5"},
    }
    assert asked["by_sector"]["Retail"] == {"started": 9, "completed": "fewer than 5"}
    assert asked["by_circle"]["Karnataka"]["started"] == 5
    assert asked["by_circle"]["Delhi"]["started"] == "fewer than 5"
    assert asked["by_circle"]["Assam"] == asked["by_circle"]["Delhi"]


def test_a_group_starts_once_however_often_the_same_answer_is_given(app: Flask) -> None:
    for talker in people(app, 5):
        talker.says_all("Hi", "Asha Devi", "7", "BACK", "7", "560001", "BACK", "560001", "1", "YES")
    asked = period(app)
    assert asked["by_sector"]["Retail"] == asked["by_circle"]["Karnataka"] == {"started": 5, "completed": 5}


# --- days ----------------------------------------------------------------------------------------------------------


def test_a_day_begins_at_midnight_in_india(app: Flask, talker: Talker, clock: MovableClock) -> None:
    clock.moment = datetime(2026, 11, 22, 18, 29, tzinfo=UTC)
    talker.says("Hi")
    assert period(app)["last_day"] == "2026-11-22"
    clock.pass_(minutes=1)
    talker.says("Asha Devi")
    assert period(app)["last_day"] == "2026-11-23"
    assert moved(app, "entered") == {"sector": 1}
    assert moved(app, "median_seconds") == {"name": 52.5}
    assert moved(app, "entered", days=2) == {"name": 1, "sector": 1}
    assert [day["webhooks"] for day in period(app, 3)["by_day"]] == [0, 1, 1]


def test_each_day_has_its_own_speed(app: Flask, talker: Talker, clock: MovableClock) -> None:
    talker.says("Hi")
    asked = period(app, 2)
    names = ("p50_ms", "p95_ms", "p99_ms")
    before, today = ([day[name] for name in names] for day in asked["by_day"])
    assert before == [None, None, None]
    assert today == [asked["webhooks"][name] for name in names]
    assert None not in today
