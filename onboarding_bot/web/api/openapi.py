"""The OpenAPI 3.1 document of the JSON endpoints, made from their operations, and the endpoint that shows it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import cache
from itertools import groupby
from typing import Any

import msgspec
from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from msgspec import Struct

from onboarding_bot import __version__
from onboarding_bot.admin_keys import Role
from onboarding_bot.web.api.endpoints import Endpoints
from onboarding_bot.web.api.operations import broadcasts, handoff, monitoring, people
from onboarding_bot.web.api.operations.operation import (
    CALLS_PER_ADDRESS,
    CALLS_PER_KEY,
    JSON,
    WRONG_KEYS_PER_ADDRESS,
    Answer,
    Link,
    NoFields,
    Operation,
    PathParameter,
    WebAppKey,
)
from onboarding_bot.web.api.operations.problem_kinds import PROBLEM_JSON, TOO_MANY_REQUESTS, Problem, ProblemKind

OPERATIONS: tuple[Operation, ...] = (
    *monitoring.OPERATIONS,
    *broadcasts.OPERATIONS,
    *people.OPERATIONS,
    *handoff.OPERATIONS,
)
ADMIN_KEY, WEB_APP_KEY = "adminKey", "webAppKey"
Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_REQUEST_ID = "X-Request-Id"
_TAGS = {
    monitoring.TAG: "Health, figures and metrics, for operators and their machines.",
    broadcasts.TAG: "Messages to many people: begun, watched, paused, resumed, ended.",
    people.TAG: "One person's data: shown, erased, and consents that were given elsewhere.",
    handoff.TAG: "What the web app asks once somebody comes from the chat.",
}
_DESCRIPTION = f"""\
The JSON endpoints of the WhatsApp bot, for operators, admins and the web app. Not in here: `/webhook`,
`/webhook/fallback` and `/status-callback`, which Twilio alone calls with signed forms, and the pages under
`/dashboard`.

**Keys.** `Authorization: Bearer KEY`. An admin key has one or more roles: `read`, `send`, `data`; each operation
names the one that it needs, and none contains another. 401 answers a missing key, 403 a wrong one or one that lacks
the role.

**What is sent.** A field, a query parameter or a name in an object that is unknown, there twice or null is refused
with 400, never passed over. JSON is UTF-8 with `Content-Type: application/json`, 64 KiB at most.

**Problems.** What cannot be done is answered with problem details (RFC 9457, `{PROBLEM_JSON}`): `type` is for
programs, `detail` for people, and `field` names what was at fault. A path that leads nowhere is a 404 `not-found`,
another method a 405 `method-not-allowed` with `Allow`.

**Rate limits.** {CALLS_PER_KEY} calls a minute for a key, {CALLS_PER_ADDRESS} for an address without a valid key, and
{WRONG_KEYS_PER_ADDRESS} wrong keys for an address; beyond that 429, and `Retry-After` says in how many seconds to
come back. Health has no limit.

**Idempotency.** `POST /send-broadcast` takes an `Idempotency-Key`: the same key with the same body is the same
broadcast, for seven days. Every other call may simply be sent again.

Every answer has an `{_REQUEST_ID}`: the caller's own, or a new one; the log's lines on the call carry it.
"""


def openapi_document(public_base_url: str, languages: Collection[str]) -> dict[str, Any]:
    """The document of the bot at this address, with the languages that it has catalogues for."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MSMEBazaar WhatsApp bot",
            "version": __version__,
            "description": _DESCRIPTION,
        },
        "servers": [{"url": public_base_url}],
        "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(languages),
            "responses": _problem_responses(),
            "headers": {
                _REQUEST_ID: {
                    "description": "The caller's own id of this call, or a new one.",
                    "required": True,
                    "schema": {"type": "string"},
                },
                "Retry-After": {
                    "description": "In how many seconds to try again.",
                    "required": True,
                    "schema": {"type": "string", "pattern": "^[0-9]+$"},
                },
            },
            "securitySchemes": {
                ADMIN_KEY: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of `ADMIN_API_KEY`, with the roles that an operation names.",
                },
                WEB_APP_KEY: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`HANDOFF_API_KEY`, the web app's key.",
                },
            },
        },
    }


def openapi_routes(public_base_url: str, languages: Collection[str]) -> Blueprint:
    """``GET /openapi.json``, open to everybody."""
    routes = Blueprint("openapi", __name__)

    @cache
    def document() -> str:
        return json.dumps(openapi_document(public_base_url, languages), ensure_ascii=False)

    @Endpoints(routes).add(monitoring.GET_OPENAPI)
    def show() -> ResponseReturnValue:
        return Response(document(), mimetype=JSON)

    return routes


def _paths() -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return paths


def _operation(operation: Operation) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "security": _security(operation),
    }
    if parameters := _parameters(operation):
        shown["parameters"] = parameters
    if operation.body:
        shown["requestBody"] = _request_body(operation, operation.body)
    shown["responses"] = _responses(operation)
    return {name: value for name, value in shown.items() if value != ""}


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    match operation.guard:
        case Role() as role:
            return [{ADMIN_KEY: [role.value]}]
        case WebAppKey():
            return [{WEB_APP_KEY: []}]
        case None:
            return []


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        *(_path_parameter(parameter) for parameter in operation.path_parameters),
        *_record_parameters("query", operation.query),
        *_record_parameters("header", operation.headers),
    ]


def _path_parameter(parameter: PathParameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "path",
        "required": True,
        "description": parameter.description,
        "schema": {"type": "string", "pattern": parameter.pattern},
        "example": parameter.example,
    }


def _record_parameters(place: str, record: type[Struct] | None) -> list[dict[str, Any]]:
    """Each field of a record as a parameter; its description and example stand beside its schema."""
    if record is None:
        return []
    (_,), schemas = msgspec.json.schema_components([record], ref_template=_REFERENCE)
    parameters = []
    for name, given in schemas[record.__name__]["properties"].items():
        schema = _without_null(given)
        parameter = {"name": name, "in": place, "required": False, "description": schema.pop("description")}
        for example in schema.pop("examples", ()):
            parameter["example"] = example
        parameters.append(parameter | {"schema": schema})
    return parameters


def _request_body(operation: Operation, body: type[Struct]) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": {"$ref": _REFERENCE.format(name=body.__name__)}}
    if operation.body_examples:
        media["examples"] = {name: {"value": example} for name, example in operation.body_examples.items()}
    return {"required": body is not NoFields, "content": {JSON: media}}


def _responses(operation: Operation) -> dict[str, Any]:
    responses = {str(status.value): _answer(answer) for status, answer in operation.answers.items()}
    for kinds in _by_status(operation):
        responses[str(kinds[0].status.value)] = {"$ref": f"#/components/responses/{_response_name(kinds)}"}
    return dict(sorted(responses.items()))


def _problem_responses() -> dict[str, Any]:
    """The answers that are problems, each for all operations that it is the same for."""
    found = {_response_name(kinds): _problem_response(kinds) for one in OPERATIONS for kinds in _by_status(one)}
    return dict(sorted(found.items()))


def _by_status(operation: Operation) -> list[list[ProblemKind]]:
    return [list(kinds) for _, kinds in groupby(operation.all_problems, key=lambda kind: kind.status)]


def _response_name(kinds: list[ProblemKind]) -> str:
    return ".".join(kind.code for kind in kinds)


def _answer(answer: Answer) -> dict[str, Any]:
    schema = {"type": "string"} if answer.schema is None else _schema(answer.schema)
    media = {"schema": schema} | ({} if answer.example is None else {"example": answer.example})
    response: dict[str, Any] = {
        "description": answer.description,
        "headers": _headers(),
        "content": {answer.media_type: media},
    }
    if answer.links:
        response["links"] = {link.operation_id: _link(link) for link in answer.links}
    return response


def _link(link: Link) -> dict[str, Any]:
    shown: dict[str, Any] = {"operationId": link.operation_id}
    if link.parameters:
        shown["parameters"] = dict(link.parameters)
    if link.body:
        shown["requestBody"] = link.body
    return shown


def _problem_response(kinds: list[ProblemKind]) -> dict[str, Any]:
    """The answer that is one of these problems, which all have the same status."""
    only: Schema = {
        "properties": {
            "type": {"enum": [kind.type for kind in kinds]},
            "status": {"const": kinds[0].status.value},
        }
    }
    if common := set.intersection(*(set(kind.members) for kind in kinds)):
        only["required"] = sorted(common)
    has_retry_after = all(kind.retry_after or kind is TOO_MANY_REQUESTS for kind in kinds)
    return {
        "description": "; ".join(f"`{kind.code}`: {kind.when}" for kind in kinds) + ".",
        "headers": _headers("Retry-After") if has_retry_after else _headers(),
        "content": {
            PROBLEM_JSON: {
                "schema": {"allOf": [_schema(Problem), only]},
                "examples": {kind.code: {"value": _example(kind)} for kind in kinds},
            }
        },
    }


def _example(kind: ProblemKind) -> dict[str, Any]:
    title = kind.status.phrase
    return {"type": kind.type, "title": title, "status": kind.status.value, "detail": kind.detail, **kind.members}


def _headers(*more: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (_REQUEST_ID, *more)}


def _schema(type_: Any) -> Schema:
    (schema,), _ = msgspec.json.schema_components([type_], ref_template=_REFERENCE)
    return schema


def _schemas(languages: Collection[str]) -> dict[str, Schema]:
    """The named schemas of all bodies, those of requests as strict as the bot is."""
    answers = [answer.schema for operation in OPERATIONS for answer in operation.answers.values() if answer.schema]
    bodies = {operation.body: operation.rules for operation in OPERATIONS if operation.body}
    _, schemas = msgspec.json.schema_components([*answers, Problem, *bodies], ref_template=_REFERENCE)
    for body, rules in bodies.items():
        schema = schemas[body.__name__]
        properties = {name: _without_null(given) for name, given in schema["properties"].items()}
        if "language" in properties:
            properties["language"]["enum"] = list(languages)
        schemas[body.__name__] = schema | {"properties": properties} | rules
    return dict(sorted(schemas.items()))


def _without_null(schema: Mapping[str, Any]) -> Schema:
    """A field's schema without its null, which in a record stands for a field that the request leaves out."""
    if "anyOf" not in schema:
        return dict(schema)
    (kind,) = [one for one in schema["anyOf"] if one != {"type": "null"}]
    return {**kind, **{name: value for name, value in schema.items() if name not in {"anyOf", "default"}}}
