"""Compares answers of the app with the OpenAPI document: status, content type, headers, and every field of the body."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import jsonschema_rs
from werkzeug.test import TestResponse

from onboarding_bot.web.api.openapi import openapi_document
from tests.settings import ENVIRONMENT

LANGUAGES = ("en", "hi")
DOCUMENT = openapi_document(ENVIRONMENT["PUBLIC_BASE_URL"], LANGUAGES)
_PATHS = {path: re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))) for path in DOCUMENT["paths"]}


def resolved(reference: str) -> Any:
    """What a ``#/…`` reference of the document leads to."""
    found = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def operation_at(path: str, method: str) -> dict[str, Any] | None:
    """The documented operation that a request for this path and method calls, if there is one."""
    # A path without parameters stands before one that would take its last part for an id.
    for template in sorted(_PATHS, key=lambda name: name.count("{")):
        if _PATHS[template].fullmatch(path):
            found: dict[str, Any] | None = DOCUMENT["paths"][template].get(method.lower())
            return found
    return None


def response_of(operation: dict[str, Any], status: int) -> dict[str, Any] | None:
    """The documented response of an operation with this status."""
    response: dict[str, Any] | None = operation["responses"].get(str(status))
    return resolved(response["$ref"]) if response and "$ref" in response else response


def faults_of(value: Any, schema: dict[str, Any]) -> list[str]:
    """What a schema of the document does not allow in ``value``; a field that it does not name is a fault as well."""
    return [error.message for error in _validator(json.dumps(schema)).iter_errors(value)]


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    named = {
        name: {"additionalProperties": False, **named} if "properties" in named else named
        for name, named in DOCUMENT["components"]["schemas"].items()
    }
    whole = {**json.loads(schema), "components": {"schemas": named}}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def expect_documented(response: TestResponse, path: str, method: str) -> None:
    """Fails where the document has this operation and says something else of the answer."""
    operation = operation_at(path, method)
    if operation is None:
        return
    said = response_of(operation, response.status_code)
    assert said is not None, f"{method} {path} answered {response.status_code}, which the document does not name"
    assert response.mimetype in said["content"], f"{response.mimetype} is not documented"
    for name in said["headers"]:
        assert name in response.headers, f"{name} is documented, and missing"
    assert ("Retry-After" in response.headers) is ("Retry-After" in said["headers"])
    if response.is_json:
        body = response.get_json()
        assert faults_of(body, said["content"][response.mimetype]["schema"]) == [], body
