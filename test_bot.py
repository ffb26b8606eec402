"""The story over HTTP: an owner says Hi and ends up logged in; bad input and bad signatures get nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import fakeredis
import pytest
import responses
from flask import Flask

from onboarding_bot.app import create_app
from tests.settings import ENVIRONMENT, settings
from tests.talker import Talker, message_in, post_signed, webhook_form

SEND_OTP = "https://auth.example.in/api/send-otp"


@pytest.fixture
def auth_api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def app(auth_api: responses.RequestsMock) -> Flask:
    return create_app(settings(), redis=fakeredis.FakeRedis())


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {ENVIRONMENT[key]}"}


def test_from_hi_to_a_logged_in_owner(app: Flask, auth_api: responses.RequestsMock) -> None:
    auth_api.post(SEND_OTP, json={"success": True})
    owner = Talker(app)

    owner.says("Hi").expects_step("name").hears("MSMEBazaar", "PRIVACY", "STOP", "full name")
    owner.says("  Asha   Devi ").expects_step("sector").hears("Asha Devi", "1. Manufacturing", "12. Other")
    owner.says("agriculure").expects_step("pincode").hears("Agriculture", "pincode")
    owner.says("५६० ००१").expects_step("phone").hears("560001", "+91 98765 43210")
    owner.says("1").expects_step("confirmation").hears("Asha Devi", "Agriculture", "560001", "+91 98765 43210", "YES")
    owner.expects_data(name="Asha Devi", sector="Agriculture", pincode="560001", phone="+919876543210")
    owner.says("Yes").expects_step("completed").hears("https://app.example.in/login?source=whatsapp&token=", "SMS")

    (call,) = auth_api.calls
    assert json.loads(call.request.body or "") == {
        "phone_number": "+919876543210",
        "user_type": "MSME",
        "metadata": {
            "source": "whatsapp",
            "onboarding_data": {"name": "Asha Devi", "sector": "Agriculture", "pincode": "560001"},
        },
    }
    assert call.request.headers["Idempotency-Key"]
    assert call.request.headers["traceparent"].startswith("00-")

    link = next(word for word in owner.reply.split() if word.startswith("https://"))
    token = parse_qs(urlsplit(link).query)["token"][0]
    answers = app.test_client().post("/handoff", json={"token": token}, headers=bearer("HANDOFF_API_KEY"))
    assert answers.get_json() == {
        "name": "Asha Devi",
        "sector": "Agriculture",
        "pincode": "560001",
        "phone": "+919876543210",
    }

    stats = app.test_client().get("/stats", headers=bearer("ADMIN_API_KEY")).get_json()
    assert (stats["started"], stats["completed"], stats["completion_rate"]) == (1, 1, 1.0)
    assert stats["step_distribution"]["completed"] == stats["total_sessions"] == 1


def test_a_wrong_answer_is_explained_and_asked_for_again(app: Flask) -> None:
    owner = Talker(app).says_all("Hi", "Asha Devi")
    owner.says("13").expects_step("sector").hears("1 to 12", "1. Manufacturing", "12. Other")
    owner.says("7").says("560 01").expects_step("pincode").hears("560 01", "5 digits", "560001")
    owner.says("560001").says("12345").expects_step("phone").hears("5 digits", "98765 43210")


def test_the_same_message_twice_gets_the_same_reply_and_changes_nothing(
    app: Flask, auth_api: responses.RequestsMock
) -> None:
    auth_api.post(SEND_OTP, json={"success": True})
    owner = Talker(app).answers_everything().says("YES")
    first, sid = owner.reply, owner.sid
    assert owner.says("YES", sid=sid).reply == first
    assert len(auth_api.calls) == 1


def test_an_outage_of_the_auth_api_loses_no_answer(app: Flask, auth_api: responses.RequestsMock) -> None:
    auth_api.post(SEND_OTP, status=500, body="stack trace of the auth API")
    owner = Talker(app).answers_everything().says("YES")
    owner.expects_step("confirmation").hears("answers are kept").does_not_hear("stack trace")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="missing signature"),
        pytest.param({"X-Twilio-Signature": "bm90IHRoZSBzaWduYXR1cmU="}, id="wrong signature"),
    ],
)
def test_an_unsigned_webhook_is_refused(app: Flask, headers: dict[str, str]) -> None:
    assert app.test_client().post("/webhook", data=webhook_form("Hi"), headers=headers).status_code == 403
    stats = app.test_client().get("/stats", headers=bearer("ADMIN_API_KEY")).get_json()
    assert stats["total_sessions"] == 0


def test_a_form_without_a_sender_is_a_bad_request(app: Flask) -> None:
    form = webhook_form("Hi")
    del form["From"]
    assert post_signed(app.test_client(), form).status_code == 400


def test_the_fallback_repeats_a_stored_reply_and_apologises_otherwise(app: Flask) -> None:
    owner = Talker(app).says("Hi")
    known = post_signed(app.test_client(), webhook_form("Hi", sid=owner.sid), "/webhook/fallback")
    assert message_in(known) == owner.reply
    unknown = post_signed(app.test_client(), webhook_form("Hi"), "/webhook/fallback")
    assert "send your last message again" in message_in(unknown)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="no key"),
        pytest.param({"Authorization": "Bearer somebody-elses-key"}, 403, id="wrong key"),
        pytest.param(bearer("ADMIN_API_KEY"), 200, id="the key"),
    ],
)
def test_stats_are_for_admins(app: Flask, headers: dict[str, str], status: int) -> None:
    assert app.test_client().get("/stats", headers=headers).status_code == status


def test_health_degrades_without_the_auth_api(app: Flask, auth_api: responses.RequestsMock) -> None:
    auth_api.get("https://auth.example.in/health", status=503)
    response = app.test_client().get("/health")
    body = response.get_json()
    assert (response.status_code, body["status"]) == (200, "degraded")
    assert body["services"]["redis"]["status"] == "healthy"
    assert body["services"]["auth_api"]["status"] == "unhealthy"
