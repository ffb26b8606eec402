"""The audit lines of calls that change something or show people's data: who called, under the name of the key.

``audit_begun`` is written before the call does anything, and nothing is done without it; ``audit`` tells how it ended.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, after_this_request, g

from onboarding_bot.admin_keys import AdminKey
from onboarding_bot.errors import AuditUnavailableError
from onboarding_bot.observability.logs import audit, audit_log
from onboarding_bot.outbound.broadcast_definition import BROADCAST_ID


def begin_audit(action: str, key: AdminKey) -> None:
    """Have the line ``audit`` written with this request's answer, be it a success or a refusal."""
    g.audit = {"action": action, "key": key.name}

    @after_this_request
    def write(response: Response) -> Response:
        audit_log().info("audit", **g.audit, outcome=outcome_of(response.status_code), status=response.status_code)
        return response


def audit_detail(**details: Any) -> None:
    """Add fields to this request's audit lines: ids and counts, and nothing that names a person."""
    g.audit.update(details)


def audit_broadcast(broadcast_id: str) -> None:
    """Add the broadcast to this request's audit lines, unless the path has something else in the id's place."""
    if BROADCAST_ID.fullmatch(broadcast_id):
        audit_detail(broadcast_id=broadcast_id)


def require_audit_line() -> None:
    """Write the line ``audit_begun``. Raises AuditUnavailableError when the log does not take it."""
    if not audit("audit_begun", may_wait=True, **g.audit):
        raise AuditUnavailableError("the audit line cannot be written")


def outcome_of(status: int) -> str:
    """How the log names a status: done, refused (4xx) or failed (5xx)."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "failed"
    return "refused" if status >= HTTPStatus.BAD_REQUEST else "done"
