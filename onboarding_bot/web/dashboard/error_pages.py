"""The pages that a browser gets for errors: what happened, and what to do."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, g, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from onboarding_bot.broadcasts.service import UnknownBroadcastError, WrongStatusError
from onboarding_bot.errors import AuditUnavailableError, StoreUnavailableError
from onboarding_bot.fields import InvalidFieldError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.web.api.operations.problem_kinds import AUDIT_UNAVAILABLE, STORE_UNAVAILABLE
from onboarding_bot.web.api.problems import new_reference

_ADVICE = {
    HTTPStatus.BAD_REQUEST: "The browser sent something that cannot be read. Go back, and try it again.",
    HTTPStatus.NOT_FOUND: "There is no such page. Perhaps the address was not copied whole.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address is not a page of its own. Begin at the overview.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "That was too much for one form. Go back, and send less.",
}
_TITLES = {
    HTTPStatus.UNAUTHORIZED: "You are signed out",
    HTTPStatus.FORBIDDEN: "This is not allowed",
    HTTPStatus.NOT_FOUND: "There is nothing here",
    HTTPStatus.CONFLICT: "Too late for that",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests",
    HTTPStatus.SERVICE_UNAVAILABLE: "Redis does not answer",
}


def add_error_pages(routes: Blueprint) -> None:
    """Answer every error of a page under /dashboard with a page."""

    @routes.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        is_own_words = error.description != type(error).description
        advice = error.description if is_own_words else _ADVICE.get(status)
        return _page(status, advice or "The server could not do this.")

    @routes.errorhandler(HTTPStatus.TOO_MANY_REQUESTS)
    def too_often(_error: HTTPException) -> Response:
        logger().warning("too_many_requests", path=request.url_rule.rule if request.url_rule else "unknown")
        advice = f"More came from here than one person asks for. Go on in {g.retry_after} s."
        return _page(HTTPStatus.TOO_MANY_REQUESTS, advice, retry_after=g.retry_after)

    @routes.errorhandler(InvalidFieldError)
    def invalid_field(error: InvalidFieldError) -> Response:
        return _page(
            HTTPStatus.BAD_REQUEST, f"{error.name} {error.detail}. Nothing was done. Go back, and try it again."
        )

    @routes.errorhandler(StoreUnavailableError)
    def store_gone(error: StoreUnavailableError) -> Response:
        logger().error("store_unavailable", **describe(error))
        return _page(
            STORE_UNAVAILABLE.status,
            "Everything that this page shows is kept in Redis, which cannot be reached. Nothing was changed. "
            "Twilio brings messages again until Redis is back. Look at the machine that Redis runs on; this page "
            "opens itself again.",
            retry_after=STORE_UNAVAILABLE.retry_after,
        )

    @routes.errorhandler(AuditUnavailableError)
    def no_audit_line(error: AuditUnavailableError) -> Response:
        logger().error("audit_unavailable", **describe(error))
        return _page(
            AUDIT_UNAVAILABLE.status,
            "The line that says who did this cannot be written, so nothing was done. Look at where the log goes: its "
            "disk may be full, or its reader gone. Then go back, and do it again.",
            title="The log takes no lines",
            retry_after=AUDIT_UNAVAILABLE.retry_after,
        )

    @routes.errorhandler(UnknownBroadcastError)
    def unknown(_error: UnknownBroadcastError) -> Response:
        return _page(HTTPStatus.NOT_FOUND, "There is no broadcast with this id.")

    @routes.errorhandler(WrongStatusError)
    def wrong_status(error: WrongStatusError) -> Response:
        return _page(HTTPStatus.CONFLICT, f"The broadcast is {error.status}; that cannot be done with it any more.")

    @routes.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        reference = new_reference()
        logger().error("unexpected_error", reference=reference, **describe(error))
        advice = f"Something went wrong here. The log says more, under the reference {reference}."
        return _page(HTTPStatus.INTERNAL_SERVER_ERROR, advice)


def _page(status: HTTPStatus, advice: str, title: str = "", retry_after: int | None = None) -> Response:
    title = title or _TITLES.get(status, status.phrase)
    page = render_template("dashboard/error.html", status=status, title=title, advice=advice)
    response = make_response(page, status)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response
