"""Problem documents (RFC 9457): what JSON endpoints answer when they cannot do what was asked."""

from __future__ import annotations

from http import HTTPStatus
from typing import NoReturn

import fakeredis
import pytest
import structlog
from flask import Flask, abort
from werkzeug.exceptions import TooManyRequests
from werkzeug.test import TestResponse

from onboarding_bot.app import create_app
from onboarding_bot.stats import StatsService
from tests.settings import ENVIRONMENT, settings

ADMIN = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}
HANDOFF = {"Authorization": f"Bearer {ENVIRONMENT['HANDOFF_API_KEY']}"}


def assert_problem(response: TestResponse, status: int, code: str | None = None) -> None:
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    body = response.get_json()
    assert {"type", "title", "status", "detail"} <= body.keys()
    assert body["status"] == status
    assert body["title"] == HTTPStatus(status).phrase
    assert body["type"].startswith("urn:msmebazaar:problem:")
    assert body["detail"].strip().endswith(".")
    if code:
        assert body["type"] == f"urn:msmebazaar:problem:{code}"


def test_a_path_that_leads_nowhere(app: Flask) -> None:
    assert_problem(app.test_client().get("/nowhere"), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/stats", "GET"), ("GET", "/handoff", "POST"), ("DELETE", "/health", "GET")],
)
def test_a_method_that_is_not_offered(app: Flask, method: str, path: str, allowed: str) -> None:
    response = app.test_client().open(path, method=method)
    assert_problem(response, 405, "method-not-allowed")
    assert allowed in response.headers["Allow"]


def test_a_body_that_is_too_large(app: Flask) -> None:
    response = app.test_client().post("/handoff", data=b"x" * 70_000, content_type="application/json", headers=HANDOFF)
    assert_problem(response, 413)


def test_a_body_that_is_too_large_hears_how_large_it_may_be(app: Flask) -> None:
    response = app.test_client().post(
        "/send-broadcast", data=b"x" * 70_000, headers=ADMIN, content_type="application/json"
    )
    assert "at most 64 KB" in response.get_json()["detail"]


@pytest.mark.parametrize("path", ["/send-broadcast", "/people/lookup"])
def test_a_body_whose_kind_was_not_told_hears_how_to_tell(app: Flask, path: str) -> None:
    """What curl sends with -d and nothing else."""
    body, kind = b'{"message": "Hi"}', "application/x-www-form-urlencoded"
    response = app.test_client().post(path, data=body, content_type=kind, headers=ADMIN)
    assert_problem(response, 400, "invalid-field")
    assert "Content-Type: application/json" in response.get_json()["detail"]


def test_a_key_that_is_missing_or_wrong(app: Flask) -> None:
    client = app.test_client()
    assert_problem(client.get("/stats"), 401, "no-valid-key")
    assert client.get("/stats").headers["WWW-Authenticate"] == "Bearer"
    assert_problem(client.get("/stats", headers={"Authorization": "Bearer wrong"}), 403, "wrong-key")
    assert_problem(client.get("/stats", headers=HANDOFF), 403, "wrong-key")
    assert_problem(client.post("/handoff", headers={"Authorization": "Bearer wrong"}), 401, "no-valid-key")


def test_a_field_that_is_missing(app: Flask) -> None:
    response = app.test_client().post("/handoff", json={}, headers=HANDOFF)
    assert_problem(response, 400, "no-token")
    assert response.get_json()["field"] == "token"


def test_a_store_that_is_gone() -> None:
    server = fakeredis.FakeServer()
    app = create_app(settings(), redis=fakeredis.FakeRedis(server=server))
    server.connected = False
    response = app.test_client().get("/stats", headers=ADMIN)
    assert_problem(response, 503, "store-unavailable")
    assert int(response.headers["Retry-After"]) > 0


def test_a_fault_of_ours_says_nothing_about_itself(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(_stats: StatsService, _days: int) -> None:
        raise RuntimeError("a word from inside")

    monkeypatch.setattr(StatsService, "figures", break_down)
    with structlog.testing.capture_logs() as lines:
        response = app.test_client().get("/stats", headers=ADMIN)
    assert_problem(response, 500, "unexpected-error")
    (line,) = [line for line in lines if line["event"] == "unexpected_error"]
    reference = response.get_json()["reference"]
    assert reference == line["reference"]
    assert reference in response.get_json()["detail"]
    assert "inside" not in response.get_data(as_text=True)
    assert "RuntimeError" not in response.get_data(as_text=True)


def test_every_error_of_werkzeug_keeps_its_headers(app: Flask) -> None:
    @app.get("/too-many")
    def too_many() -> NoReturn:
        raise TooManyRequests(retry_after=7)

    @app.get("/moved-away")
    def moved_away() -> NoReturn:
        abort(410)

    response = app.test_client().get("/too-many")
    assert_problem(response, 429)
    assert response.headers["Retry-After"] == "7"
    assert_problem(app.test_client().get("/moved-away"), 410, "gone")


def test_the_figures_of_nobody(app: Flask) -> None:
    body = app.test_client().get("/stats", headers=ADMIN).get_json()
    timestamp = body.pop("timestamp")
    body.pop("period")
    assert timestamp.endswith("+00:00")
    steps = ["welcome", "name", "sector", "pincode", "phone", "confirmation", "completed"]
    assert body == {
        "total_sessions": 0,
        "step_distribution": dict.fromkeys(steps, 0),
        "started": 0,
        "completed": 0,
        "completion_rate": 0.0,
        "error_rate": 0.0,
    }
