"""Who may call a JSON endpoint: the bearer of its key, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from flask import Response, request
from flask.typing import ResponseReturnValue

from onboarding_bot.logs import logger
from onboarding_bot.web.problems import problem

View = Callable[..., ResponseReturnValue]


def bearer_only(key: str, *, wrong_key_status: HTTPStatus = HTTPStatus.FORBIDDEN) -> Callable[[View], View]:
    """Let a view be called with ``Authorization: Bearer key`` alone: 401 without it, ``wrong_key_status`` if wrong."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(**path: str) -> ResponseReturnValue:
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not given.strip():
                return _unauthorized("Send the header Authorization: Bearer <key>.")
            if not hmac.compare_digest(given.strip().encode(), key.encode()):
                logger().warning("wrong_key", path=request.path)
                if wrong_key_status is HTTPStatus.UNAUTHORIZED:
                    return _unauthorized("This key is not valid here.")
                return problem(wrong_key_status, "wrong-key", "This key is not valid here.")
            return view(**path)

        guarded.guarded_by = "bearer"  # type: ignore[attr-defined]
        return guarded

    return guard


def _unauthorized(detail: str) -> Response:
    response = problem(HTTPStatus.UNAUTHORIZED, "no-valid-key", detail)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
