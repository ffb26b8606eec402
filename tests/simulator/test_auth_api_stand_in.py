"""The auth API as the bot meets it: codes, their limits, and its bad days."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.simulated_world import PHONE, World, body_of


def verify(world: World, otp: str, phone: str = PHONE) -> Any:
    return world.client.post("/api/verify-otp", json={"phone_number": phone, "otp": otp}).json


def test_a_code_comes_by_sms_and_is_accepted_once(world: World) -> None:
    answer = world.ask_for_code()
    assert (answer.status_code, body_of(answer)["success"]) == (200, True)
    sms = world.happened("sms")[0]
    assert sms["phone"] == PHONE
    assert sms["text"].startswith(f"Your MSMEBazaar code is {sms['code']}")
    assert verify(world, world.code) == {"success": True}
    assert verify(world, world.code) == {"success": False, "reason": "already_used", "tries_left": 0}


def test_the_same_key_sends_no_second_sms(world: World) -> None:
    first, second = world.ask_for_code(), world.ask_for_code()
    assert first.json == second.json
    assert len(world.happened("sms")) == 1
    world.ask_for_code("key-2")
    assert len(world.happened("sms")) == 2


def test_a_key_belongs_to_one_request(world: World) -> None:
    world.ask_for_code()
    assert world.ask_for_code(phone_number="+919876543211").status_code == 422
    assert len(world.happened("sms")) == 1


def test_three_tries_and_no_more(world: World) -> None:
    world.ask_for_code()
    answers = [verify(world, world.another_code) for _ in range(3)]
    assert [answer["tries_left"] for answer in answers] == [2, 1, 0]
    assert verify(world, world.code)["reason"] == "too_many_tries"


def test_a_code_expires_after_five_minutes(world: World) -> None:
    world.ask_for_code()
    world.clock.advance(minutes=5)
    assert verify(world, world.code)["reason"] == "expired"


def test_only_the_latest_code_counts(world: World) -> None:
    world.ask_for_code("key-1")
    verify(world, world.another_code)
    world.ask_for_code("key-2")
    assert verify(world, world.code) == {"success": True}


def test_a_phone_without_a_code(world: World) -> None:
    assert verify(world, "123456")["reason"] == "no_code"


@pytest.mark.parametrize(
    "changes",
    [
        {"phone_number": "9876543210"},
        {"phone_number": "+915876543210"},
        {"user_type": "BUYER"},
        {"metadata": {"source": "web", "onboarding_data": {"name": "A", "sector": "B", "pincode": "C"}}},
        {"metadata": {"source": "whatsapp", "onboarding_data": {"name": "A", "sector": "B"}}},
        {"metadata": None},
    ],
)
def test_a_request_outside_the_contract_is_refused(world: World, changes: dict[str, Any]) -> None:
    answer = world.ask_for_code(**changes)
    assert (answer.status_code, body_of(answer)["success"]) == (422, False)
    assert world.happened("sms") == []


def test_a_key_is_required(world: World) -> None:
    assert world.ask_for_code(key="").status_code == 400


@pytest.mark.parametrize(
    ("fault", "status", "header", "health"),
    [
        ("unavailable", 503, "1", 503),
        ("error", 500, None, 500),
        ("refusing", 422, None, 200),
        ("throttled", 429, "60", 200),
        ("garbage", 200, None, 200),
    ],
)
def test_bad_days_send_nothing(world: World, fault: str, status: int, header: str | None, health: int) -> None:
    world.break_down(auth_api=fault)
    answer = world.ask_for_code()
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, header)
    assert world.client.get("/health").status_code == health
    assert world.happened("sms") == []
    world.break_down(auth_api="ok")
    assert body_of(world.ask_for_code())["success"] is True
    assert world.client.get("/health").status_code == 200


def test_garbage_is_not_json(world: World) -> None:
    world.break_down(auth_api="garbage")
    assert world.ask_for_code().mimetype == "text/html"


def test_down_ends_the_connection_without_an_answer(world: World) -> None:
    world.break_down(auth_api="down")
    with pytest.raises(ConnectionResetError):
        world.ask_for_code()
    with pytest.raises(ConnectionResetError):
        world.client.get("/health")


def test_slow_does_the_work_and_answers_late(world: World) -> None:
    world.break_down(auth_api="slow")
    assert body_of(world.ask_for_code())["success"] is True
    assert world.pauses == [10.0]
    assert len(world.happened("sms")) == 1
