"""The OpenAPI document: it is valid, it has every JSON endpoint and no other, and what it says of each is so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient

from onboarding_bot.fields import InvalidFieldError
from onboarding_bot.outbound.broadcast_definition import BroadcastRequest, parse_request
from onboarding_bot.web.api.openapi import OPERATIONS, openapi_document
from onboarding_bot.web.api.operations.operation import Operation
from tests.command_line import run_command
from tests.settings import ENVIRONMENT
from tests.web.documented import DOCUMENT, LANGUAGES, faults_of, resolved, response_of
from tests.web.test_guards import GUARDED, OPEN, guard_of

# Twilio calls the first with signed forms; browsers open the pages.
NO_JSON = re.compile(r"/webhook(/fallback)?|/status-callback|/dashboard(/.*)?")
REFUSED_QUERY = {"x": "1"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


BY_ID = {operation["operationId"]: operation for _, _, operation in operations()}


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_the_document_is_openapi_3_1() -> None:
    schemathesis.openapi.from_dict(deepcopy(DOCUMENT)).validate()
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_the_app_shows_the_document_to_everybody(client: FlaskClient) -> None:
    response = client.get("/openapi.json")
    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert response.get_json() == DOCUMENT


@pytest.mark.parametrize(
    ("options", "url"),
    [
        pytest.param([], ENVIRONMENT["PUBLIC_BASE_URL"], id="of the settings"),
        pytest.param(["--url", "https://example.in/whatsapp"], "https://example.in/whatsapp", id="given"),
    ],
)
def test_a_command_prints_it_without_a_bot_that_runs(
    options: list[str], url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", ENVIRONMENT["PUBLIC_BASE_URL"])
    assert run_command("openapi", *options) == 0
    assert json.loads(capsys.readouterr().out) == DOCUMENT | {"servers": [{"url": url}]}


def test_it_stands_at_the_public_address_with_its_prefix() -> None:
    document = openapi_document("https://example.in/whatsapp", ["en"])
    assert document["servers"] == [{"url": "https://example.in/whatsapp"}]


# --- the routes ----------------------------------------------------------------------------------------------------


def test_every_json_route_has_its_operation_and_no_other_is_there(app: Flask) -> None:
    routes = {
        (rule.rule.replace("<", "{").replace(">", "}"), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not NO_JSON.fullmatch(rule.rule)
    }
    assert routes == {(path, method) for path, method, _ in operations()}


def test_each_operation_asks_for_the_key_that_its_guard_asks_for(app: Flask) -> None:
    found = {}
    for rule in app.url_map.iter_rules():
        guard = guard_of(app, rule)
        found[rule.rule.replace("<", "{").replace(">", "}")] = guard
    for path, _, operation in operations():
        match found[path]:
            case None:
                assert operation["security"] == [], path
            case "bearer":
                assert operation["security"] == [{"webAppKey": []}], path
            case guard:
                assert operation["security"] == [{"adminKey": [guard.removeprefix("admin key: ")]}], path
    assert {path.replace("<", "{").replace(">", "}") for path in GUARDED.keys() | OPEN} >= set(DOCUMENT["paths"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_a_query_that_is_refused_is_documented_so(client: FlaskClient, operation: Operation) -> None:
    """And where it is passed over, as Prometheus and load balancers need it, no 400 is."""
    keys = (ENVIRONMENT["ADMIN_API_KEY"], ENVIRONMENT["HANDOFF_API_KEY"])
    path = operation.path.replace("{broadcast_id}", "0" * 24)
    answers = {
        client.open(
            path, method=operation.method, query_string=REFUSED_QUERY, headers={"Authorization": f"Bearer {key}"}
        ).status_code
        for key in keys
    }
    assert (400 in answers) is ("400" in BY_ID[operation.id]["responses"])


# --- what it says of bodies ----------------------------------------------------------------------------------------


def examples() -> Iterator[Any]:
    for path, method, operation in operations():
        for place, media in operation.get("requestBody", {"content": {}})["content"].items():
            for name, example in media.get("examples", {}).items():
                yield pytest.param(example["value"], media["schema"], id=f"{method} {path}: {place} {name}")
        for status in operation["responses"]:
            said = response_of(operation, int(status))
            for place, media in (said or {})["content"].items():
                given = {"example": {"value": media["example"]}} if "example" in media else media.get("examples", {})
                for name, example in given.items():
                    yield pytest.param(
                        example["value"], media["schema"], id=f"{method} {path}: {status} {place} {name}"
                    )


@pytest.mark.parametrize(("example", "schema"), [*examples()])
def test_an_example_is_what_its_schema_says(example: Any, schema: dict[str, Any]) -> None:
    assert faults_of(example, schema) == []


def test_every_operation_has_its_words_and_its_examples() -> None:
    for path, method, operation in operations():
        assert operation["summary"], path
        assert not operation["summary"].endswith("."), path
        body = operation.get("requestBody")
        if body and body["required"]:
            assert body["content"]["application/json"]["examples"], path
        for status in operation["responses"]:
            said = response_of(operation, int(status))
            assert said is not None
            assert said["description"].endswith("."), (path, status)
            if status.startswith("2") and path != "/openapi.json":
                (media,) = said["content"].values()
                assert "example" in media, (path, method, status)


def test_every_field_of_a_request_is_described() -> None:
    for _, _, operation in operations():
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], parameter["name"]
        for media in operation.get("requestBody", {"content": {}})["content"].values():
            for name, schema in resolved(media["schema"]["$ref"])["properties"].items():
                assert schema["description"], name
                assert "examples" in schema or "default" in schema, name


def test_links_lead_to_operations_with_these_parameters() -> None:
    links = [
        link
        for _, _, operation in operations()
        for status in operation["responses"]
        for link in (response_of(operation, int(status)) or {}).get("links", {}).values()
    ]
    assert len(links) > 30
    for link in links:
        known = {parameter["name"] for parameter in BY_ID[link["operationId"]].get("parameters", ())}
        assert link.get("parameters", {}).keys() <= known


@pytest.mark.parametrize("body", [{"message": "Hi"}, {"content_sid": "HX" + "0" * 32, "content_variables": {"1": "x"}}])
def test_a_broadcast_that_is_taken_is_documented(body: dict[str, Any]) -> None:
    assert parse_request(body, LANGUAGES)
    assert faults_of(body, {"$ref": "#/components/schemas/BroadcastRequest"}) == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="neither"),
        pytest.param({"message": "Hi", "content_sid": "HX" + "0" * 32}, id="both"),
        pytest.param(
            {"message": "Hi", "content_sid": "HX" + "0" * 32, "content_variables": {"1": "x"}}, id="both with variables"
        ),
        pytest.param({"message": "Hi", "content_variables": {"1": "x"}}, id="a message with variables"),
        pytest.param({"message": " \n"}, id="an empty message"),
        pytest.param({"message": "Hi", "language": "xx"}, id="no catalogue"),
        pytest.param({"message": "Hi", "language": None}, id="null"),
        pytest.param({"message": "Hi", "dryrun": True}, id="an unknown field"),
        pytest.param({"message": "Hi", "pincode_prefix": "0"}, id="no pincode"),
    ],
)
def test_a_broadcast_that_is_refused_is_documented(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidFieldError):
        parse_request(body, LANGUAGES)
    assert faults_of(body, {"$ref": "#/components/schemas/BroadcastRequest"}) != []


def test_the_languages_are_those_of_the_catalogues(app: Flask) -> None:
    schema = app.test_client().get("/openapi.json").get_json()["components"]["schemas"][BroadcastRequest.__name__]
    assert schema["properties"]["language"]["enum"] == list(LANGUAGES)


# --- the comparison itself -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        pytest.param({"status": "well"}, '"well" is not', id="another word"),
        pytest.param({"timestamp": "noon"}, '"noon" is not a "date-time"', id="another format"),
        pytest.param({"more": 1}, "Additional properties", id="a field more"),
        pytest.param({"status": None}, "null is not", id="null"),
    ],
)
def test_an_answer_that_differs_is_found(client: FlaskClient, change: dict[str, Any], fault: str) -> None:
    answer = client.get("/health/live").get_json() | change
    (found,) = faults_of(answer, {"$ref": "#/components/schemas/Liveness"})
    assert fault in found
