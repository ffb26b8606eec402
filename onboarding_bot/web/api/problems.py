"""RFC 9457 problem details: what every JSON endpoint answers when it cannot do what was asked."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from onboarding_bot.errors import AuditUnavailableError, StoreUnavailableError
from onboarding_bot.fields import InvalidFieldError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.web.api.references import new_reference

PROBLEM_JSON = "application/problem+json"


def problem(status: int, code: str, detail: str, **members: Any) -> Response:
    """A problem document. ``code`` is stable, for programs; ``detail`` says to a person what to do."""
    response = jsonify(type=f"urn:msmebazaar:problem:{code}", title=HTTPStatus(status).phrase, status=status,
                       detail=detail, **members)  # fmt: skip
    response.status_code = status
    response.mimetype = PROBLEM_JSON
    return response


def register_problems(app: Flask) -> None:
    """Every error that no route answers itself becomes a problem document."""

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        code = error.name.lower().replace(" ", "-")
        detail = error.description or error.name
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            detail = f"A body may have at most {(request.max_content_length or 0) // 1024} KB here."
        response = problem(status, code, detail)
        for name, value in error.get_headers():
            if name not in {"Content-Type", "Content-Length"}:
                response.headers[name] = value
        return response

    @app.errorhandler(InvalidFieldError)
    def invalid_field(error: InvalidFieldError) -> Response:
        return problem(HTTPStatus.BAD_REQUEST, "invalid-field", f"{error.name} {error.detail}.", field=error.name)

    @app.errorhandler(StoreUnavailableError)
    def store_gone(error: StoreUnavailableError) -> Response:
        logger().error("store_unavailable", **describe(error))
        response = problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", "Redis does not answer. Try again in a moment."
        )
        response.headers["Retry-After"] = "5"
        return response

    @app.errorhandler(AuditUnavailableError)
    def no_audit_line(error: AuditUnavailableError) -> Response:
        logger().error("audit_unavailable", **describe(error))
        detail = "The log cannot take the line that says who did this, so nothing was done. Try again when it can."
        response = problem(HTTPStatus.SERVICE_UNAVAILABLE, "audit-unavailable", detail)
        response.headers["Retry-After"] = "5"
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        reference = new_reference()
        logger().error("unexpected_error", reference=reference, **describe(error))
        return problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "unexpected-error",
            f"Something went wrong here. The log says more, under the reference {reference}.",
            reference=reference,
        )
