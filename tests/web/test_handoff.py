"""The handoff: the web app's key and a token that is still good, or nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import fakeredis
import pytest
import time_machine
from flask import Flask
from redis import Redis
from werkzeug.test import TestResponse

from onboarding_bot.app import create_app
from onboarding_bot.login_link import LIFETIME_SECONDS
from tests.fakes import NOON, FakeOtpService, MovableClock
from tests.settings import ENVIRONMENT, settings
from tests.talker import Talker

KEY = ENVIRONMENT["HANDOFF_API_KEY"]
ANSWERS = {"name": "Asha Devi", "sector": "Retail", "pincode": "560001", "phone": "+919876543210"}


def token_in(reply: str) -> str:
    link = next(word for word in reply.split() if word.startswith("https://"))
    return parse_qs(urlsplit(link).query)["token"][0]


def hand_over(app: Flask, token: Any, key: str | None = KEY) -> TestResponse:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return app.test_client().post("/handoff", json={"token": token}, headers=headers)


@pytest.fixture
def registered(talker: Talker) -> Talker:
    return talker.answers_everything().says("YES").expects_step("completed")


def test_a_good_token_is_worth_the_answers(app: Flask, registered: Talker) -> None:
    response = hand_over(app, token_in(registered.reply))
    assert response.status_code == 200
    assert response.get_json() == ANSWERS
    assert response.headers["Cache-Control"] == "no-store"


def test_opening_the_link_twice_does_no_harm(app: Flask, registered: Talker) -> None:
    token = token_in(registered.reply)
    assert [hand_over(app, token).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no key"),
        pytest.param({"Authorization": ""}, id="empty header"),
        pytest.param({"Authorization": "Bearer"}, id="no key behind the scheme"),
        pytest.param({"Authorization": "Bearer  "}, id="spaces behind the scheme"),
        pytest.param({"Authorization": KEY}, id="no scheme"),
        pytest.param({"Authorization": f"Basic {KEY}"}, id="another scheme"),
        pytest.param({"Authorization": f"Bearer {KEY}x"}, id="wrong key"),
        pytest.param({"Authorization": f"Bearer {KEY[:-1]}"}, id="half a key"),
        pytest.param({"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}, id="the admins' key"),
        pytest.param({"Authorization": "Bearer schlüssel"}, id="not ASCII"),
    ],
)
def test_without_the_web_apps_key_it_is_401(app: Flask, registered: Talker, headers: dict[str, str]) -> None:
    token = token_in(registered.reply)
    response = app.test_client().post("/handoff", json={"token": token}, headers=headers)
    assert response.status_code == 401
    assert response.mimetype == "application/problem+json"
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert "Asha" not in response.get_data(as_text=True)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_schemes_case_does_not_matter(app: Flask, registered: Talker, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {KEY}"}
    response = app.test_client().post("/handoff", json={"token": token_in(registered.reply)}, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"json": {}}, id="empty object"),
        pytest.param({"json": []}, id="list"),
        pytest.param({"json": "token"}, id="string"),
        pytest.param({"json": None}, id="null"),
        pytest.param({"json": {"token": ""}}, id="empty token"),
        pytest.param({"json": {"token": None}}, id="token null"),
        pytest.param({"json": {"token": 5}}, id="token number"),
        pytest.param({"json": {"token": ["a"]}}, id="token list"),
        pytest.param({"data": b""}, id="nothing"),
        pytest.param({"data": b"{", "content_type": "application/json"}, id="half of JSON"),
        pytest.param({"data": b"\xff", "content_type": "application/json"}, id="not even text"),
        pytest.param({"data": b"token=x"}, id="a form"),
        pytest.param({"data": b"[" * 60_000, "content_type": "application/json"}, id="nested too deeply"),
        pytest.param(
            {"data": b'{"token":' * 6_000 + b"1" + b"}" * 6_000, "content_type": "application/json"},
            id="objects nested too deeply",
        ),
    ],
)
def test_what_holds_no_token_is_a_bad_request(app: Flask, body: dict[str, Any]) -> None:
    response = app.test_client().post("/handoff", headers={"Authorization": f"Bearer {KEY}"}, **body)
    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"


@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "x" * 50_000])
def test_a_forged_token_is_401(app: Flask, registered: Talker, token: str) -> None:
    response = hand_over(app, token)
    assert response.status_code == 401
    assert response.get_json()["type"] == "urn:msmebazaar:problem:bad-token"


def test_a_token_of_another_bot_is_401(app: Flask, clock: MovableClock) -> None:
    """The keys differ, so it is nobody's here."""
    key = "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg="
    other = create_app(
        settings(SESSION_ENCRYPTION_KEYS=key),
        redis=fakeredis.FakeRedis(),
        otp_service=FakeOtpService(),
        clock=clock.clock(),
    )
    theirs = Talker(other).answers_everything().says("YES")
    assert hand_over(app, token_in(theirs.reply)).status_code == 401


def test_a_token_is_good_for_half_an_hour(app: Flask, talker: Talker) -> None:
    with time_machine.travel(NOON, tick=False) as time:
        token = token_in(talker.answers_everything().says("YES").reply)
        time.shift(timedelta(seconds=LIFETIME_SECONDS))
        assert hand_over(app, token).status_code == 200
        time.shift(timedelta(seconds=1))
        response = hand_over(app, token)
    assert response.status_code == 410
    assert response.get_json()["type"] == "urn:msmebazaar:problem:link-expired"


def test_a_fresh_link_replaces_the_one_before(app: Flask, registered: Talker, clock: MovableClock) -> None:
    before = token_in(registered.reply)
    clock.pass_(minutes=2)
    after = token_in(registered.says("RESEND").reply)
    assert hand_over(app, before).status_code == 410
    assert hand_over(app, after).get_json() == ANSWERS


def test_a_new_sign_up_ends_the_link(app: Flask, registered: Talker) -> None:
    token = token_in(registered.reply)
    registered.says("RESTART")
    response = hand_over(app, token)
    assert response.status_code == 410
    assert "Asha" not in response.get_data(as_text=True)


def test_a_session_that_is_gone_ends_the_link(app: Flask, registered: Talker, redis: Redis) -> None:
    token = token_in(registered.reply)
    redis.flushall()
    assert hand_over(app, token).status_code == 410


def test_keys_are_rotated_without_breaking_links(redis: Redis, registered: Talker, clock: MovableClock) -> None:
    keys = f"eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=,{ENVIRONMENT['SESSION_ENCRYPTION_KEYS']}"
    rotated = create_app(
        settings(SESSION_ENCRYPTION_KEYS=keys), redis=redis, otp_service=FakeOtpService(), clock=clock.clock()
    )
    assert hand_over(rotated, token_in(registered.reply)).get_json() == ANSWERS


def test_a_get_reveals_nothing(app: Flask, registered: Talker) -> None:
    token = token_in(registered.reply)
    response = app.test_client().get(f"/handoff?token={token}", headers={"Authorization": f"Bearer {KEY}"})
    assert response.status_code == 405
    assert "Asha" not in response.get_data(as_text=True)
