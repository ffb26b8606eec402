"""Every route is guarded, by whom is written here, or is on the list of those that are open to everybody."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.settings import ENVIRONMENT

OPEN = {
    "/health",
    "/health/live",
    "/health/ready",
}
READ, SEND = "admin key: read", "admin key: send"
GUARDED = {
    "/webhook": "signature",
    "/webhook/fallback": "signature",
    "/status-callback": "signature",
    "/handoff": "bearer",
    "/stats": READ,
    "/send-broadcast": SEND,
    "/broadcasts": READ,
    "/broadcasts/pause-all": SEND,
    "/broadcasts/<broadcast_id>": READ,
    "/broadcasts/<broadcast_id>/recipients.csv": READ,
    "/broadcasts/<broadcast_id>/pause": SEND,
    "/broadcasts/<broadcast_id>/resume": SEND,
    "/broadcasts/<broadcast_id>/cancel": SEND,
    "/broadcasts/<broadcast_id>/resend-uncertain": SEND,
}


def test_every_route_is_guarded_or_open_on_purpose(app: Flask) -> None:
    guards = {
        rule.rule: getattr(app.view_functions[rule.endpoint], "guarded_by", None) for rule in app.url_map.iter_rules()
    }
    assert {path: guard for path, guard in guards.items() if guard} == GUARDED
    assert {path for path, guard in guards.items() if not guard} == OPEN


@pytest.mark.parametrize("path", GUARDED)
def test_a_guarded_route_lets_nobody_in_without_proof(app: Flask, path: str) -> None:
    methods = {
        method
        for rule in app.url_map.iter_rules()
        if rule.rule == path
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}
    }
    assert methods
    for method in methods:
        response = app.test_client().open(path, method=method)
        assert response.status_code in {401, 403}, method


@pytest.mark.parametrize("path", sorted(OPEN))
def test_an_open_route_reads_and_changes_nothing(app: Flask, path: str) -> None:
    (rule,) = [rule for rule in app.url_map.iter_rules() if rule.rule == path]
    assert (rule.methods or set()) <= {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/stats"])
def test_a_question_about_options_is_not_a_way_in(app: Flask, path: str) -> None:
    response = app.test_client().options(path)
    assert response.get_data() == b""
    for name in ("ADMIN_API_KEY", "HANDOFF_API_KEY"):
        assert ENVIRONMENT[name] not in str(response.headers)


def test_nothing_is_served_from_a_folder(app: Flask) -> None:
    assert app.static_folder is None
    assert app.test_client().get("/static/../main.py").status_code == 404
