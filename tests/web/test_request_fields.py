"""What is missing, unknown, there twice or empty is named, and nothing is done for it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from onboarding_bot.web.dashboard.compose_form import TYPED
from tests.broadcasts.people import add_many
from tests.broadcasts.world import World
from tests.fakes import MovableClock
from tests.settings import ENVIRONMENT
from tests.talker import OWNER
from tests.web.test_broadcasts import expect_problem, stored
from tests.web.visitor import Visitor

ADMIN = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}
WEB_APP = {"Authorization": f"Bearer {ENVIRONMENT['HANDOFF_API_KEY']}"}
JSON = "application/json"
ID = "0" * 24
# What each endpoint takes, as the text of a good body; without fields an empty one.
BODIES = {
    "/send-broadcast": '"message": "Hi"',
    "/people/lookup": f'"address": "{OWNER}"',
    "/people/erase": f'"address": "{OWNER}"',
    "/people/consent": f'"address": "{OWNER}", "purpose": "service", "given": false',
    "/handoff": '"token": "x"',
    "/broadcasts/pause-all": "",
    f"/broadcasts/{ID}/pause": "",
    f"/broadcasts/{ID}/resume": "",
    f"/broadcasts/{ID}/cancel": "",
    f"/broadcasts/{ID}/resend-uncertain": "",
}
GOOD = {200, 202, 401, 404}
WITH_FIELDS = [path for path, fields in BODIES.items() if fields]
READS = ["/stats", "/broadcasts", f"/broadcasts/{ID}", f"/broadcasts/{ID}/recipients.csv"]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def world(redis: Redis, clock: MovableClock) -> World:
    return World(redis=redis, clock=clock)


def post(client: FlaskClient, path: str, body: str | bytes, content_type: str = JSON) -> TestResponse:
    data = body if isinstance(body, bytes) else body.encode()
    headers = WEB_APP if path.startswith("/handoff") else ADMIN
    return client.post(path, data=data, content_type=content_type, headers=headers)


def body_of(path: str, *more: str) -> str:
    return "{" + ", ".join(part for part in (BODIES[path], *more) if part) + "}"


def first_field(path: str) -> str:
    return BODIES[path].partition('"')[2].partition('"')[0]


def expect_fault(response: TestResponse, field: str) -> None:
    code = "no-token" if field == "token" else "invalid-field"
    assert expect_problem(response, 400, code)["field"] == field


def test_every_endpoint_that_takes_json_is_here(app: Flask) -> None:
    found = {
        rule.rule.replace("<broadcast_id>", ID)
        for rule in app.url_map.iter_rules()
        if "POST" in (rule.methods or ())
        and str(getattr(app.view_functions[rule.endpoint], "guarded_by", "")).startswith(("admin key", "bearer"))
    }
    assert found == set(BODIES)


@pytest.mark.parametrize("path", BODIES)
def test_the_good_bodies_are_good(client: FlaskClient, path: str) -> None:
    assert post(client, path, body_of(path)).status_code in GOOD


@pytest.mark.parametrize(
    ("more", "field"),
    [
        pytest.param('"dryrun": true', "dryrun", id="misspelt"),
        pytest.param('"Dry_Run": true', "Dry_Run", id="in capitals"),
        pytest.param('"": true', "", id="without a name"),
        pytest.param('"\\ud800": true', "?", id="half a character for a name"),
        pytest.param('"x\\u0000": true', "x?", id="a name with NUL"),
        pytest.param('"other": null', "other", id="unknown and null"),
        pytest.param('"other": 1, "other": 2', "other", id="unknown and twice"),
    ],
)
def test_a_field_that_is_not_known_is_named(client: FlaskClient, redis: Redis, more: str, field: str) -> None:
    for path in BODIES:
        expect_fault(post(client, path, body_of(path, more)), field)
    assert stored(redis) == {}


@pytest.mark.parametrize(
    "value",
    ["null", "5", "1e999", "NaN", "-Infinity", "9" * 5000, "[]", "{}", "[null]", "true", '"a\\u0000"', '"\\udc00"'],
)
def test_a_first_field_that_is_no_text_is_named(client: FlaskClient, redis: Redis, value: str) -> None:
    for path in WITH_FIELDS:
        field = first_field(path)
        rest = BODIES[path].partition(", ")[2]
        expect_fault(post(client, path, "{" + f'"{field}": {value}' + (f", {rest}" if rest else "") + "}"), field)
    assert stored(redis) == {}


@pytest.mark.parametrize("path", WITH_FIELDS)
def test_a_field_that_is_there_twice_is_named(client: FlaskClient, redis: Redis, path: str) -> None:
    field = first_field(path)
    for again in (f'"{field}": "x"', BODIES[path].partition(", ")[0], f'"\\u{ord(field[0]):04x}{field[1:]}": null'):
        expect_fault(post(client, path, body_of(path, again)), field)
    assert stored(redis) == {}


@pytest.mark.parametrize(
    ("path", "more", "field"),
    [
        ("/send-broadcast", '"dry_run": true, "dry_run": false', "dry_run"),
        ("/send-broadcast", '"dry_run": false, "dry_run": true', "dry_run"),
        ("/send-broadcast", '"dry_run": true, "dry_run": true, "dry_run": true', "dry_run"),
        ("/send-broadcast", '"dry_run": true, "dry\\u005frun": false', "dry_run"),
        ("/send-broadcast", '"dry_run": null', "dry_run"),
        ("/send-broadcast", '"dry_run": "true"', "dry_run"),
        ("/send-broadcast", '"dry_run": 1', "dry_run"),
        ("/send-broadcast", '"dry_run": 1.0', "dry_run"),
        ("/send-broadcast", '"dry_run": NaN', "dry_run"),
        ("/send-broadcast", '"language": null', "language"),
        ("/send-broadcast", '"language": []', "language"),
        ("/send-broadcast", '"target_step": {}', "target_step"),
        ("/send-broadcast", '"sector": " "', "sector"),
        ("/send-broadcast", '"pincode_prefix": 560', "pincode_prefix"),
        ("/send-broadcast", '"include_completed": null', "include_completed"),
        ("/send-broadcast", '"schedule_at": null', "schedule_at"),
        ("/send-broadcast", '"purpose": null', "purpose"),
        ("/send-broadcast", '"content_variables": {"1": "a", "1": "b"}', "content_variables"),
        ("/send-broadcast", '"content_variables": {"1": [{"a": 1, "a": 2}]}', "content_variables"),
        ("/people/consent", '"given": true', "given"),
        ("/people/consent", '"note": null', "note"),
        ("/people/consent", '"note": " "', "note"),
        ("/people/consent", '"note": ""', "note"),
        ("/people/consent", '"note": ["x"]', "note"),
    ],
)
def test_what_would_have_been_guessed_is_named(
    client: FlaskClient, redis: Redis, path: str, more: str, field: str
) -> None:
    expect_fault(post(client, path, body_of(path, more)), field)
    assert stored(redis) == {}


@pytest.mark.parametrize("given", ["null", "0", "1", '"true"', '"false"', "[]", '""', "0.0"])
def test_a_consent_is_true_or_false(client: FlaskClient, redis: Redis, given: str) -> None:
    body = f'{{"address": "{OWNER}", "purpose": "service", "given": {given}}}'
    expect_fault(post(client, "/people/consent", body), "given")
    assert stored(redis) == {}


@pytest.mark.parametrize(
    ("make", "content_type"),
    [
        pytest.param(lambda text: text.encode("utf-16"), JSON, id="UTF-16"),
        pytest.param(lambda text: text.encode("utf-32-le"), JSON, id="UTF-32"),
        pytest.param(lambda text: text.encode()[:-1] + b"\xff}", JSON, id="no text"),
        pytest.param(lambda text: text.encode(), f"{JSON}; charset=utf-16", id="said to be UTF-16"),
        pytest.param(lambda text: text.encode(), "text/plain", id="said to be text"),
        pytest.param(lambda text: text.encode(), "", id="of no kind"),
        pytest.param(lambda text: text.encode(), f"{JSON}, text/plain", id="of two kinds"),
        pytest.param(lambda text: text.encode() * 2, JSON, id="two objects"),
        pytest.param(lambda text: b"[" + text.encode() + b"]", JSON, id="in a list"),
        pytest.param(lambda text: b"null", JSON, id="null"),
        pytest.param(lambda text: b"5", JSON, id="a number"),
        pytest.param(lambda text: b'"x"', JSON, id="a text"),
        pytest.param(lambda text: text.encode()[:-1] + b",}", JSON, id="a comma too many"),
        pytest.param(lambda text: b"{'a': 1}", JSON, id="other quotes"),
        pytest.param(lambda text: text.encode() + b"\x00", JSON, id="NUL behind it"),
        pytest.param(lambda text: b"[" * 60_000, JSON, id="nested too deeply"),
    ],
)
def test_what_is_no_json_object_in_utf_8_does_nothing(
    client: FlaskClient, redis: Redis, make: Any, content_type: str
) -> None:
    for path in BODIES:
        response = post(client, path, make(body_of(path)), content_type)
        expect_fault(response, {"/send-broadcast": "body"}.get(path, first_field(path) or "body"))
    assert stored(redis) == {}


@pytest.mark.parametrize(
    ("front", "content_type"),
    [
        ("", f"{JSON}; charset=UTF-8"),
        ("", "Application/JSON"),
        ("", "application/x+json"),
        ("\ufeff", JSON),
        (" \r\n", JSON),
    ],
)
def test_json_is_taken_however_it_is_labelled(client: FlaskClient, front: str, content_type: str) -> None:
    for path in BODIES:
        assert post(client, path, front + body_of(path), content_type).status_code in GOOD


@pytest.mark.parametrize("path", BODIES)
def test_what_stands_in_the_url_is_named_and_not_passed_over(client: FlaskClient, redis: Redis, path: str) -> None:
    for query, field in (("dry_run=true", "dry_run"), ("dry_run", "dry_run"), ("%64ry_run=1", "dry_run"), ("=1", "")):
        response = post(client, f"{path}?{query}", body_of(path))
        assert expect_problem(response, 400, "invalid-field")["field"] == field
    assert stored(redis) == {}
    assert post(client, f"{path}?", body_of(path)).status_code in GOOD


@pytest.mark.parametrize("path", [path for path in BODIES if path not in WITH_FIELDS])
def test_a_form_where_nothing_is_taken_is_named(client: FlaskClient, path: str) -> None:
    response = post(client, path, "dry_run=true", "application/x-www-form-urlencoded")
    expect_fault(response, "dry_run")
    assert client.post(path, headers=ADMIN).status_code in {200, 404}


@pytest.mark.parametrize("path", READS)
def test_an_unknown_name_in_a_url_is_named(client: FlaskClient, path: str) -> None:
    for query in ("day=7", "dry_run=true", "masked=false"):
        expect_fault(client.get(f"{path}?{query}", headers=ADMIN), query.partition("=")[0])


@pytest.mark.parametrize(("path", "field"), [("/stats", "days"), ("/broadcasts", "page"), ("/broadcasts", "size")])
@pytest.mark.parametrize(
    "value", ["", " ", "0", "-1", "1.0", "1e1", "٣", "9" * 5000, "null", "1&{}=1", "1&{}=2", "1&{}="]
)
def test_a_number_in_a_url_is_one_number(client: FlaskClient, path: str, field: str, value: str) -> None:
    expect_fault(client.get(f"{path}?{field}={value.format(field)}", headers=ADMIN), field)


# --- the dashboard's forms -----------------------------------------------------------------------------------------

NEW, CONFIRM, SEND = "/dashboard/broadcasts/new", "/dashboard/broadcasts/confirm", "/dashboard/broadcasts/send"
FILTERS = ("target_step", "language", "sector", "pincode_prefix")
STEERING = [
    "/dashboard/broadcasts/pause-all",
    *(f"/dashboard/broadcasts/{{id}}/{action}" for action in ("pause", "resume", "cancel", "resend-uncertain")),
    "/dashboard/sign-out",
]


@pytest.fixture
def admin(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    monkeypatch.setattr("onboarding_bot.services.twilio_content_api.ContentApi.list_contents", lambda _: [])
    return Visitor(app).signs_in(at=NEW)


@pytest.fixture
def whole(admin: Visitor, world: World) -> dict[str, str]:
    """The form of a broadcast to three people, as the second look has it."""
    add_many(world.store, 3)
    admin.submits(NEW, {"message": "The fair opens."}).submits(NEW, to=CONFIRM)
    return admin.form(SEND).fields


def expect_form_fault(admin: Visitor, world: World, data: Any, field: str, says: str = "") -> None:
    for path in (CONFIRM, SEND):
        admin._shows(admin.client.post(path, data=data), 400)
        name = field[:1].upper() + field[1:].replace("_", " ")
        assert name in admin.text
        assert says in admin.text
    assert world.records.newest(0, 9) == []


def test_the_whole_form_sends(admin: Visitor, world: World, whole: dict[str, str]) -> None:
    assert admin.client.post(SEND, data=whole).status_code == 303
    assert len(world.records.newest(0, 9)) == 1


@pytest.mark.parametrize("field", [name for name in TYPED if name != "include_completed"])
def test_a_form_that_came_in_part_is_not_sent(admin: Visitor, world: World, whole: dict[str, str], field: str) -> None:
    data = {name: text for name, text in whole.items() if name != field}
    expect_form_fault(admin, world, data, field, "is missing")


@pytest.mark.parametrize("field", [*TYPED, "idempotency_key", "confirmed_count"])
def test_a_field_of_a_form_that_is_there_twice_is_named(
    admin: Visitor, world: World, whole: dict[str, str], field: str
) -> None:
    for again in ("", "x", whole.get(field, "")):
        data = MultiDict([*whole.items(), (field, again)])
        data.setdefault(field, "yes")
        expect_form_fault(admin, world, data, field, "twice")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            (name, blank)
            for name in ("target_step", "language", "sector", "pincode_prefix")
            for blank in (" ", "\t", "\0")
        ),
        *(("schedule_at", text) for text in (" ", "2028-01-01T10:00", "2026-12-01T10:00\0")),
        *(("include_completed", text) for text in ("no", "false", "0", " ")),
        *(("kind", text) for text in ("", "Text", "sms")),
        *(("purpose", text) for text in ("", " ", "Marketing")),
        ("message", "The fair\0opens."),
    ],
)
def test_a_value_that_no_page_sends_is_named(
    admin: Visitor, world: World, whole: dict[str, str], field: str, value: str
) -> None:
    expect_form_fault(admin, world, whole | {field: value}, field)


@pytest.mark.parametrize("name", ["dry_run", "dryrun", "Message"])
def test_a_field_that_no_page_has_is_named(admin: Visitor, world: World, whole: dict[str, str], name: str) -> None:
    expect_form_fault(admin, world, whole | {name: "true"}, name, "is no field of this form")


@pytest.mark.parametrize("key", [None, "", "x", "<b>"])
def test_without_the_key_of_a_form_nothing_is_sent(
    admin: Visitor, world: World, whole: dict[str, str], key: str | None
) -> None:
    """A second click would be a second broadcast."""
    data = {name: text for name, text in whole.items() if name != "idempotency_key"}
    admin._shows(admin.client.post(SEND, data=data if key is None else data | {"idempotency_key": key}), 400)
    assert "Idempotency key is missing" in admin.text
    assert world.records.newest(0, 9) == []


def test_a_scheduled_one_wants_the_second_look_too(admin: Visitor, world: World, whole: dict[str, str]) -> None:
    data = whole | {"schedule_at": "2026-11-23T10:30"}
    del data["confirmed_count"]
    assert admin.client.post(SEND, data=data).status_code == 409
    assert world.records.newest(0, 9) == []


@pytest.mark.parametrize("path", STEERING)
@pytest.mark.parametrize("more", [[("dry_run", "true")], [("next", "/dashboard"), ("next", "/dashboard")]])
def test_a_form_that_steers_has_its_own_fields_alone(
    admin: Visitor, world: World, whole: dict[str, str], path: str, more: list[tuple[str, str]]
) -> None:
    assert admin.client.post(SEND, data=whole).status_code == 303
    (broadcast_id,) = world.records.newest(0, 9)
    status = world.record(broadcast_id).status
    data = MultiDict(more)
    admin._shows(admin.client.post(path.format(id=broadcast_id), data=data), 400)
    assert f"{more[0][0]} " in admin.text
    assert "Nothing was done" in admin.text
    assert world.record(broadcast_id).status is status
    assert admin.opens("/dashboard").text


def test_one_key_signs_in(app: Flask) -> None:
    visitor = Visitor(app).opens("/dashboard")
    fields = visitor.form("/dashboard/sign-in").fields
    data = MultiDict([*fields.items(), ("key", ENVIRONMENT["ADMIN_API_KEY"])])
    data.setlist("key", [ENVIRONMENT["ADMIN_API_KEY"], "another"])
    visitor._shows(visitor.client.post("/dashboard/sign-in", data=data), 400)
    assert "key stands there twice" in visitor.text
