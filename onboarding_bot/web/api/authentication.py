"""Guards of the JSON endpoints: an admin key with a role, or the web app's key, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import wraps

from flask import Response, g, request
from flask.typing import ResponseReturnValue

from onboarding_bot.admin_keys import AdminKey, AdminKeys, Role
from onboarding_bot.observability.logs import logger
from onboarding_bot.web.api.audit import begin_audit
from onboarding_bot.web.api.operations.problem_kinds import MISSING_ROLE, NO_VALID_KEY, WRONG_KEY
from onboarding_bot.web.api.problems import problem

View = Callable[..., ResponseReturnValue]
Guard = Callable[[View], View]


def admin_only(keys: AdminKeys, role: Role, *, audit: str = "") -> Guard:
    """Let a view be called with an admin's key: 401 without one, 403 with a wrong one or one that lacks the role.

    ``audit`` names the action in the audit log, where a call changes something or shows people's data.
    """

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(**path: str) -> ResponseReturnValue:
            given = given_key()
            if not given:
                return _unauthorized()
            key = keys.find(given)
            if key is None:
                _log_wrong_key()
                return problem(WRONG_KEY)
            g.admin_key = key
            if audit:
                begin_audit(audit, key)
            if role not in key.roles:
                detail = f"This needs a key with the role {role}; the key {key.name} does not have it."
                return problem(MISSING_ROLE, detail, role=role)
            return view(**path)

        guarded.guarded_by = f"admin key: {role}"  # type: ignore[attr-defined]
        return guarded

    return guard


def bearer_only(key: str) -> Guard:
    """Let a view be called with ``Authorization: Bearer key`` alone: 401 without it, and with a wrong one."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(**path: str) -> ResponseReturnValue:
            given = given_key()
            if not given:
                return _unauthorized()
            if not hmac.compare_digest(given.encode(), key.encode()):
                _log_wrong_key()
                return _unauthorized(WRONG_KEY.detail)
            return view(**path)

        guarded.guarded_by = "bearer"  # type: ignore[attr-defined]
        return guarded

    return guard


def current_admin() -> AdminKey:
    """The key that ``admin_only`` let in with this request."""
    key: AdminKey = g.admin_key
    return key


def given_key() -> str:
    """The key of the request's Authorization header, empty without one."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def _log_wrong_key() -> None:
    logger().warning("wrong_key", path=request.url_rule.rule if request.url_rule else "unknown")


def _unauthorized(detail: str = "") -> Response:
    response = problem(NO_VALID_KEY, detail)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
