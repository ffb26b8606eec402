"""Problem details (RFC 9457): the answers of JSON endpoints to what they cannot do, and the handlers that make them."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from onboarding_bot.errors import AuditUnavailableError, StoreUnavailableError
from onboarding_bot.fields import InvalidFieldError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.web.api.operations.problem_kinds import (
    AUDIT_UNAVAILABLE,
    INVALID_FIELD,
    PROBLEM_JSON,
    STORE_UNAVAILABLE,
    TYPE_PREFIX,
    UNEXPECTED_ERROR,
    ProblemKind,
)

# People read a reference aloud on the phone: no letters and digits that sound or look alike.
REFERENCE_ALPHABET = "34679ACDEFHJKMNPRTVWXY"
REFERENCE_LENGTH = 4


def new_reference() -> str:
    """A reference such as ``7F3K``, which stands in the answer to an unexpected error and in its line of the log."""
    return "".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(REFERENCE_LENGTH))


def problem(kind: ProblemKind, detail: str = "", *, retry_after: int | None = None, **members: Any) -> Response:
    """A problem document of this kind, with the kind's own ``detail`` unless another is given.

    ``retry_after`` is in seconds, where the kind does not fix it.
    """
    response = _document(kind.status, kind.type, detail or kind.detail, members)
    wait = retry_after or kind.retry_after
    if wait is not None:
        response.headers["Retry-After"] = str(wait)
    return response


def invalid_field(error: InvalidFieldError) -> Response:
    """The problem document that names the field at fault."""
    return problem(INVALID_FIELD, f"{error.name} {error.detail}.", field=error.name)


def register_problems(app: Flask) -> None:
    """Answer every error that no route handles itself with a problem document."""

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        code = error.name.lower().replace(" ", "-")
        detail = error.description or error.name
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            detail = f"A body may have at most {(request.max_content_length or 0) // 1024} KB here."
        response = _document(status, f"{TYPE_PREFIX}{code}", detail, {})
        for name, value in error.get_headers():
            if name not in {"Content-Type", "Content-Length"}:
                response.headers[name] = value
        return response

    app.errorhandler(InvalidFieldError)(invalid_field)

    @app.errorhandler(StoreUnavailableError)
    def store_gone(error: StoreUnavailableError) -> Response:
        logger().error("store_unavailable", **describe(error))
        return problem(STORE_UNAVAILABLE)

    @app.errorhandler(AuditUnavailableError)
    def no_audit_line(error: AuditUnavailableError) -> Response:
        logger().error("audit_unavailable", **describe(error))
        return problem(AUDIT_UNAVAILABLE)

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        reference = new_reference()
        logger().error("unexpected_error", reference=reference, **describe(error))
        detail = f"Something went wrong here. The log says more, under the reference {reference}."
        return problem(UNEXPECTED_ERROR, detail, reference=reference)


def _document(status: int, type_: str, detail: str, members: dict[str, Any]) -> Response:
    title = HTTPStatus(status).phrase
    response = jsonify(type=type_, title=title, status=status, detail=detail, **members)
    response.status_code = status
    response.mimetype = PROBLEM_JSON
    return response
