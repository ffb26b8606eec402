"""Every route is guarded, by whom is written here, or is on the list of those that are open to everybody."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.routing import Rule

from tests.settings import ENVIRONMENT

OPEN = {
    "/health",
    "/health/live",
    "/health/ready",
    "/openapi.json",
    "/dashboard/sign-in",
    "/dashboard/static/<asked>/<path:name>",
}
READ, SEND, DATA = "admin key: read", "admin key: send", "admin key: data"
SEEN, STEERED = "sign-in: read", "sign-in: send"
GUARDED = {
    "/webhook": "signature",
    "/webhook/fallback": "signature",
    "/status-callback": "signature",
    "/handoff": "bearer",
    "/stats": READ,
    "/metrics": READ,
    "/send-broadcast": SEND,
    "/broadcasts": READ,
    "/broadcasts/pause-all": SEND,
    "/broadcasts/<broadcast_id>": READ,
    "/broadcasts/<broadcast_id>/recipients.csv": READ,
    "/broadcasts/<broadcast_id>/pause": SEND,
    "/broadcasts/<broadcast_id>/resume": SEND,
    "/broadcasts/<broadcast_id>/cancel": SEND,
    "/broadcasts/<broadcast_id>/resend-uncertain": SEND,
    "/people/lookup": DATA,
    "/people/erase": DATA,
    "/people/consent": DATA,
    "/dashboard": SEEN,
    "/dashboard/<path:_rest>": SEEN,
    "/dashboard/sign-in": "same origin",
    "/dashboard/sign-out": "same origin",
    "/dashboard/broadcasts": SEEN,
    "/dashboard/broadcasts/<broadcast_id>": SEEN,
    "/dashboard/broadcasts/<broadcast_id>/recipients.csv": SEEN,
    "/dashboard/broadcasts/new": STEERED,
    "/dashboard/broadcasts/preview": STEERED,
    "/dashboard/broadcasts/confirm": STEERED,
    "/dashboard/broadcasts/send": STEERED,
    "/dashboard/broadcasts/pause-all": STEERED,
    "/dashboard/broadcasts/<broadcast_id>/pause": STEERED,
    "/dashboard/broadcasts/<broadcast_id>/resume": STEERED,
    "/dashboard/broadcasts/<broadcast_id>/cancel": STEERED,
    "/dashboard/broadcasts/<broadcast_id>/resend-uncertain": STEERED,
}


def guard_of(app: Flask, rule: Rule) -> str | None:
    return getattr(app.view_functions[rule.endpoint], "guarded_by", None)


def methods_of(app: Flask, path: str, *, guarded: bool) -> set[str]:
    """What may be asked for at this address; the sign-in's page is open, its form is not."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule == path and bool(guard_of(app, rule)) is guarded]
    return {method for rule in rules for method in rule.methods or set()} - {"OPTIONS", "HEAD"}


def test_every_route_is_guarded_or_open_on_purpose(app: Flask) -> None:
    guards = {(rule.rule, guard_of(app, rule)) for rule in app.url_map.iter_rules()}
    assert {(path, guard) for path, guard in guards if guard} == set(GUARDED.items())
    assert {path for path, guard in guards if not guard} == OPEN


@pytest.mark.parametrize("path", GUARDED)
def test_a_guarded_route_lets_nobody_in_without_proof(app: Flask, path: str) -> None:
    methods = methods_of(app, path, guarded=True)
    assert methods
    for method in methods:
        response = app.test_client().open(path, method=method)
        if response.status_code == 303:
            assert (method, response.headers["Location"].partition("?")[0]) == ("GET", "/dashboard/sign-in")
        else:
            assert response.status_code in {401, 403}, method


@pytest.mark.parametrize("path", sorted(OPEN))
def test_an_open_route_reads_and_changes_nothing(app: Flask, path: str) -> None:
    assert methods_of(app, path, guarded=False) == {"GET"}


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/stats"])
def test_a_question_about_options_is_not_a_way_in(app: Flask, path: str) -> None:
    response = app.test_client().options(path)
    assert response.get_data() == b""
    for name in ("ADMIN_API_KEY", "HANDOFF_API_KEY"):
        assert ENVIRONMENT[name] not in str(response.headers)


def test_nothing_is_served_from_a_folder(app: Flask) -> None:
    assert app.static_folder is None
    assert app.test_client().get("/static/../main.py").status_code == 404
