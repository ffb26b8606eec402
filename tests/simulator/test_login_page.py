"""The web app's login page: who sees what, and when the bot is asked for the answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from werkzeug.test import TestResponse

from tests.simulator.simulated_world import BOT_URL, PHONE, World

LINK = "/login?source=whatsapp&token=opaque-token"
LINK_WITH_PHONE = f"{LINK}&phone=%2B919876543210"
ANSWERS = {"name": "Asha <Patel>", "sector": "Retail", "pincode": "400001", "phone": PHONE}


def bot_hands_over(world: World, answers: Any = None, status: int = 200) -> None:
    world.bot.http.post(f"{BOT_URL}/handoff", json=answers or ANSWERS, status=status)


def log_in(world: World, otp: str, phone: str = "98765 43210", link: str = LINK) -> TestResponse:
    return world.client.post(link, data={"phone": phone, "otp": otp})


def test_the_right_code_ends_on_a_welcome(world: World) -> None:
    world.ask_for_code()
    bot_hands_over(world)
    page = log_in(world, world.code)
    assert page.status_code == 200
    assert "Welcome, Asha &lt;Patel&gt;" in page.text
    assert "Retail" in page.text
    assert "400001" in page.text
    handoff = world.bot.requests[0]
    assert handoff.headers["Authorization"] == "Bearer " + "h" * 20
    assert json.loads(handoff.body) == {"token": "opaque-token"}


def test_opening_the_link_shows_nothing_and_asks_nobody(world: World) -> None:
    world.ask_for_code()
    page = world.client.get(LINK_WITH_PHONE)
    assert "+91 •••••• 3210" in page.text
    assert "9876543210" not in page.text
    assert "opaque-token" not in page.text
    assert 'autocomplete="one-time-code"' in page.text
    assert 'id="phone"' not in page.text
    assert world.bot.requests == []


def test_the_number_in_the_link_need_not_be_typed(world: World) -> None:
    world.ask_for_code()
    bot_hands_over(world)
    assert "Welcome" in log_in(world, world.code, phone="", link=LINK_WITH_PHONE).text


def test_nothing_of_the_page_leaks(world: World) -> None:
    headers = world.client.get(LINK).headers
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert "script-src" not in headers["Content-Security-Policy"]
    assert "Set-Cookie" not in headers


def test_a_wrong_code_says_how_many_tries_are_left(world: World) -> None:
    world.ask_for_code()
    wrong = world.another_code
    assert "2 tries left" in log_in(world, wrong).text
    assert "1 try left" in log_in(world, wrong).text
    assert "last try" in log_in(world, wrong).text
    assert world.bot.requests == []


@pytest.mark.parametrize(
    ("otp", "phone", "words"),
    [
        ("12345", "9876543210", "The code has 6 digits"),
        ("", "9876543210", "The code has 6 digits"),
        ("123456", "12345", "10 digits of your mobile number"),
        ("123456", "9876543211", "No code was sent to this number"),
    ],
)
def test_slips_are_explained_and_cost_no_try(world: World, otp: str, phone: str, words: str) -> None:
    world.ask_for_code()
    bot_hands_over(world)
    page = log_in(world, otp, phone)
    assert page.status_code == 422
    assert words in page.text
    assert "Welcome" in log_in(world, world.code).text


@pytest.mark.parametrize("phone", ["9876543210", "+91 98765-43210", "09876543210", "९८७६५४३२१०"])
def test_the_usual_ways_to_write_a_number(world: World, phone: str) -> None:
    world.ask_for_code()
    bot_hands_over(world)
    code = f"{world.code[:3]} {world.code[3:]}"
    assert "Welcome" in log_in(world, code, phone).text


def test_an_old_code_and_a_used_code(world: World) -> None:
    world.ask_for_code()
    bot_hands_over(world)
    log_in(world, world.code)
    assert "used already" in log_in(world, world.code).text
    world.ask_for_code("key-2")
    world.clock.advance(minutes=6)
    assert "older than 5 minutes" in log_in(world, world.code).text


def test_an_expired_link_says_how_to_get_a_new_one(world: World) -> None:
    world.ask_for_code()
    bot_hands_over(world, {"title": "Gone"}, status=410)
    page = log_in(world, world.code)
    assert page.status_code == 410
    assert "This link has expired" in page.text
    assert "RESEND" in page.text


def test_somebody_elses_link_reveals_nothing(world: World) -> None:
    world.ask_for_code()
    bot_hands_over(world, ANSWERS | {"phone": "+919000000001"})
    page = log_in(world, world.code)
    assert page.status_code == 403
    assert "Asha" not in page.text


@pytest.mark.parametrize("answer", [{"status": 401}, {"status": 503}, {"body": "oops"}, {"json": []}])
def test_a_bot_that_cannot_answer(world: World, answer: dict[str, Any]) -> None:
    world.ask_for_code()
    world.bot.http.post(f"{BOT_URL}/handoff", **answer)
    assert log_in(world, world.code).status_code == 503


def test_a_bot_that_is_gone(world: World) -> None:
    world.ask_for_code()
    world.bot.http.post(f"{BOT_URL}/handoff", body=requests.ConnectionError())
    assert "We cannot log you in just now" in log_in(world, world.code).text


def test_an_outage_of_the_auth_api_costs_no_try(world: World) -> None:
    world.ask_for_code()
    bot_hands_over(world)
    world.break_down(auth_api="unavailable")
    assert "We cannot check codes just now" in log_in(world, world.code).text
    world.break_down(auth_api="ok")
    assert "Welcome" in log_in(world, world.code).text


def test_without_a_token_there_is_nothing_to_log_in_with(world: World) -> None:
    assert world.client.get("/login").status_code == 400
    assert world.client.post("/login", data={"phone": "9876543210", "otp": "123456"}).status_code == 400
