"""How the control API reads its requests, and says in a sentence what is wrong with one."""

from __future__ import annotations

from typing import Any, NoReturn

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException


class BadRequestError(Exception):
    """A request that cannot be done, and why."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


def answer_in_sentences(blueprint: Blueprint) -> None:
    """Let every error in the blueprint be a JSON object with a sentence."""

    @blueprint.errorhandler(BadRequestError)
    def answer_bad_request(error: BadRequestError) -> ResponseReturnValue:
        return jsonify(error=str(error)), error.status

    @blueprint.errorhandler(HTTPException)
    def answer_http_error(error: HTTPException) -> ResponseReturnValue:
        return jsonify(error=error.description), error.code or 500


def json_body() -> Any:
    # Another site's page can post a form here, but not JSON: the browser would ask first.
    if not request.is_json:
        raise BadRequestError("the body must be JSON, with the Content-Type application/json", 415)
    body = request.get_json(silent=True)
    if body is None:
        refuse("the body is not JSON")
    return body


def json_object() -> dict[str, Any]:
    body = json_body()
    if not isinstance(body, dict):
        refuse("the body must be a JSON object")
    return body


def refuse(reason: str) -> NoReturn:
    raise BadRequestError(reason)
