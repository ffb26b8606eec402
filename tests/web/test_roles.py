"""What each role of a key opens, and what the log keeps of those who changed something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fakeredis
import pytest
from flask.testing import FlaskClient

from onboarding_bot.app import create_app
from tests.observability.test_logs import recorded
from tests.settings import settings

KEYS = {"ops": "key-of-the-operators", "marketing": "key-of-the-marketing", "privacy": "key-of-the-data-officer"}
ROLES = {"ops": "read", "marketing": "read+send", "privacy": "data"}
UNKNOWN = "0" * 24
ACTIONS = ("pause", "resume", "cancel", "resend-uncertain")
READS = ["/stats", "/broadcasts", f"/broadcasts/{UNKNOWN}", f"/broadcasts/{UNKNOWN}/recipients.csv"]
SENDS = ["/send-broadcast", "/broadcasts/pause-all", *(f"/broadcasts/{UNKNOWN}/{action}" for action in ACTIONS)]


@pytest.fixture
def client() -> FlaskClient:
    listed = ",".join(f"{name}:{ROLES[name]}:{key}" for name, key in KEYS.items())
    return create_app(settings(ADMIN_API_KEY=listed), redis=fakeredis.FakeRedis()).test_client()


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name]}"}


@contextmanager
def audits() -> Iterator[list[dict[str, Any]]]:
    """The audit lines that were written meanwhile, though the log is turned down as far as it goes."""
    found: list[dict[str, Any]] = []
    with recorded("CRITICAL") as lines:
        yield found
        for line in lines():
            shown = json.dumps(line)
            assert not [key for key in KEYS.values() if key in shown]
            if line.pop("event") == "audit":
                found.append({name: line[name] for name in line.keys() - {"time", "level", "trace_id", "request_id"}})


@pytest.mark.parametrize("path", READS)
def test_reading_wants_the_role_read(client: FlaskClient, path: str) -> None:
    assert client.get(path, headers=bearer("ops")).status_code in {200, 404}
    refused = client.get(path, headers=bearer("privacy"))
    assert refused.status_code == 403
    assert refused.get_json()["type"] == "urn:msmebazaar:problem:missing-role"
    assert refused.get_json()["role"] == "read"
    assert "privacy does not have it" in refused.get_json()["detail"]


@pytest.mark.parametrize("path", SENDS)
def test_sending_wants_the_role_send(client: FlaskClient, path: str) -> None:
    body = {"message": "Hi"} if path == "/send-broadcast" else None
    assert client.post(path, json=body, headers=bearer("marketing")).status_code in {200, 202, 404}
    for name in ("ops", "privacy"):
        refused = client.post(path, json={"message": "Hi"}, headers=bearer(name))
        assert refused.status_code == 403
        assert refused.get_json()["role"] == "send"


def test_a_refused_call_changes_nothing(client: FlaskClient) -> None:
    client.post("/send-broadcast", json={"message": "Hi"}, headers=bearer("ops"))
    assert client.get("/broadcasts", headers=bearer("ops")).get_json()["broadcasts"] == []


# --- audit ---------------------------------------------------------------------------------------------------------


def test_every_change_leaves_a_line_with_the_name_of_the_key(client: FlaskClient) -> None:
    key = bearer("marketing")
    with audits() as written:
        broadcast_id = client.post("/send-broadcast", json={"message": "Hi"}, headers=key).get_json()["broadcast_id"]
        for action in ACTIONS:
            client.post(f"/broadcasts/{broadcast_id}/{action}", headers=key)
        client.post("/broadcasts/pause-all", headers=key)
    about = {"key": "marketing", "broadcast_id": broadcast_id}
    done, refused = {"outcome": "done", "status": 200}, {"outcome": "refused", "status": 409}
    assert written == [
        {"action": "broadcast.create", **about, "dry_run": False, "outcome": "done", "status": 202},
        {"action": "broadcast.pause", **about, **done},
        {"action": "broadcast.resume", **about, **done},
        {"action": "broadcast.cancel", **about, **done},
        {"action": "broadcast.resend-uncertain", **about, **refused},
        {"action": "broadcast.pause-all", "key": "marketing", "broadcast_ids": [], **done},
    ]


def test_what_a_key_may_not_do_is_written_down_too(client: FlaskClient) -> None:
    with audits() as written:
        client.post(f"/broadcasts/{UNKNOWN}/cancel", headers=bearer("ops"))
    assert written == [{"action": "broadcast.cancel", "key": "ops", "outcome": "refused", "status": 403}]


@pytest.mark.parametrize(("roles", "is_masked"), [("read", True), ("read+data", False)])
def test_who_fetched_the_file_is_written_down(roles: str, is_masked: bool) -> None:
    client = create_app(settings(ADMIN_API_KEY=f"ops:{roles}:{KEYS['ops']}"), redis=fakeredis.FakeRedis()).test_client()
    with audits() as written:
        client.get(f"/broadcasts/{UNKNOWN}/recipients.csv", headers=bearer("ops"))
    about = {"action": "broadcast.recipients", "key": "ops", "broadcast_id": UNKNOWN, "masked": is_masked}
    assert written == [{**about, "outcome": "refused", "status": 404}]


def test_what_was_typed_in_place_of_an_id_stays_out(client: FlaskClient) -> None:
    with audits() as written:
        client.post("/broadcasts/+919876543210/pause", headers=bearer("marketing"))
    assert written == [{"action": "broadcast.pause", "key": "marketing", "outcome": "refused", "status": 404}]


def test_figures_are_read_without_a_line(client: FlaskClient) -> None:
    with audits() as written:
        client.get("/stats", headers=bearer("ops"))
        client.get("/broadcasts", headers=bearer("ops"))
    assert written == []
