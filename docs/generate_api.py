"""Writes docs/api.md from the OpenAPI document of the JSON endpoints."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from onboarding_bot.languages import languages_with_catalogue
from onboarding_bot.web.api.openapi import openapi_document
from onboarding_bot.web.api.operations.problem_kinds import PROBLEM_JSON

PAGE = Path(__file__).with_name("api.md")
# A longer pattern tells a reader less than the description beside it.
_SHOWN_PATTERN = 40
_HEAD = """# The JSON endpoints

Made by `python docs/generate_api.py` from the OpenAPI document that the bot shows at `GET /openapi.json`; a test
compares it. Examples with `curl`, and what the endpoints are for, stand in [README.md](../README.md#http-api)."""

Schema = Mapping[str, Any]


def page() -> str:
    """The whole page."""
    document = openapi_document("https://bot.example.in", languages_with_catalogue())
    return (
        "\n\n".join([_HEAD, document["info"]["description"].strip(), *_operations(document), *_schemas(document)])
        + "\n"
    )


def _operations(document: Schema) -> Iterator[str]:
    listed = [
        (operation["tags"][0], method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    about = {tag["name"]: tag["description"] for tag in document["tags"]}
    for tag, operations in groupby(listed, key=lambda row: row[0]):
        yield f"## {tag.capitalize()}\n\n{about[tag]}"
        for _, method, path, operation in operations:
            yield f"### {method} {path}\n\n{operation['summary']}. {operation.get('description', '')}".rstrip()
            yield _key(operation)
            yield from _request(operation)
            yield from _answers(document, operation)


def _key(operation: Schema) -> str:
    match operation["security"]:
        case [{"adminKey": [role]}]:
            return f"Key: an admin key with the role `{role}`."
        case [{"webAppKey": []}]:
            return "Key: the web app's, `HANDOFF_API_KEY`."
    return "Open to everybody."


def _request(operation: Schema) -> Iterator[str]:
    if parameters := operation.get("parameters"):
        rows = [
            (f"`{one['name']}`", one["in"], _kind(one["schema"]), _with_default(one["description"], one["schema"]))
            for one in parameters
        ]
        yield _table(("parameter", "stands in", "is", "meaning"), rows)
    if body := operation.get("requestBody"):
        media = body["content"]["application/json"]
        needed = "" if body["required"] else ", which may be left out"
        yield f"Body: {_kind(media['schema'])}{needed}."
        for name, example in media.get("examples", {}).items():
            yield f"{name.capitalize()}:\n\n{_json(example['value'])}"


def _answers(document: Schema, operation: Schema) -> Iterator[str]:
    rows, examples = [], {}
    for status, given in operation["responses"].items():
        said = _resolved(document, given)
        for media_type, media in said["content"].items():
            body = "a [problem](#problem)" if media_type == PROBLEM_JSON else _body(media_type, media["schema"])
            rows.append((status, said["description"], body))
            if "example" in media:
                examples[status] = _example(media_type, media["example"])
    yield _table(("status", "when", "body"), rows)
    for status, example in examples.items():
        yield f"{status}:\n\n{example}"


def _body(media_type: str, schema: Schema) -> str:
    return _kind(schema) if media_type == "application/json" else media_type


def _example(media_type: str, example: Any) -> str:
    return _json(example) if media_type == "application/json" else f"```\n{example.strip()}\n```".replace("\r", "")


def _schemas(document: Schema) -> Iterator[str]:
    yield "## Bodies\n\nWhat requests and answers hold. A text has no control characters but tabs and line breaks."
    for name, schema in document["components"]["schemas"].items():
        yield f"### {name}\n\n{schema['description']}"
        if "enum" in schema:
            yield ", ".join(f"`{value}`" for value in schema["enum"])
        elif schema["properties"]:
            needed = schema["required"]
            rows = [
                (
                    f"`{field}`",
                    "yes" if field in needed else "",
                    _kind(one),
                    _with_default(one.get("description", ""), one),
                )
                for field, one in schema["properties"].items()
            ]
            yield _table(("field", "always there", "is", "meaning"), rows)


def _kind(schema: Schema) -> str:
    """A schema in a few words."""
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    match schema.get("type"):
        case "array":
            return f"a list of {_kind(schema['items'])}"
        case "object":
            values = schema.get("additionalProperties")
            return f"an object of {_kind(values)}" if values else "an object"
        case "string":
            return _text(schema)
        case "integer" | "number" as kind:
            return f"{'a whole number' if kind == 'integer' else 'a number'}{_bounds(schema, 'minimum', 'maximum')}"
        case "boolean":
            return "true or false"
        case "null":
            return "null"
    return "anything"


def _text(schema: Schema) -> str:
    kind = {"date-time": "a moment, ISO 8601", "date": "a day, YYYY-MM-DD", "uri": "a URL"}.get(
        schema.get("format", "")
    )
    if kind:
        return kind
    pattern = schema.get("pattern", "")
    like = f" like `{pattern}`" if 0 < len(pattern) <= _SHOWN_PATTERN else ""
    length = _bounds(schema, "minLength", "maxLength")
    return f"a text{like}{f' of{length} characters' if length else ''}"


def _bounds(schema: Schema, lowest: str, highest: str) -> str:
    if highest in schema:
        return f" {schema.get(lowest, 0)} to {schema[highest]}"
    return f" {schema[lowest]} or more" if lowest in schema else ""


def _with_default(description: str, schema: Schema) -> str:
    if "default" not in schema:
        return description
    return f"{description} {json.dumps(schema['default'])} by default.".strip()


def _resolved(document: Schema, given: Schema) -> Schema:
    found: Schema = document["components"]["responses"][given["$ref"].rpartition("/")[2]] if "$ref" in given else given
    return found


def _json(value: Any) -> str:
    return f"```json\n{json.dumps(value, ensure_ascii=False, sort_keys=True)}\n```"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page())
