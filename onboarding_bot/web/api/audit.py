"""Who changed something or read people's data: lines of the log for each such call, under the name of its key.

One is written before the deed, and the deed is refused without it; a second one tells how the call ended.
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
    """Write how this call ended when it is answered, whatever the answer is."""
    g.audit = {"action": action, "key": key.name}

    @after_this_request
    def write(response: Response) -> Response:
        audit_log().info("audit", **g.audit, outcome=outcome_of(response.status_code), status=response.status_code)
        return response


def audit_detail(**details: Any) -> None:
    """Add to this request's lines what it was about: ids and counts, and nothing that names a person."""
    g.audit.update(details)


def audit_broadcast(broadcast_id: str) -> None:
    """Add which broadcast it was about; anything may stand in a path, and only an id goes into the log."""
    if BROADCAST_ID.fullmatch(broadcast_id):
        audit_detail(broadcast_id=broadcast_id)


def audit_deed() -> None:
    """Write who is about to do what. Raises AuditUnavailableError when that cannot be written: it is not done then."""
    if not audit("audit_begun", may_wait=True, **g.audit):
        raise AuditUnavailableError("the audit line cannot be written")


def outcome_of(status: int) -> str:
    """Done, refused (4xx) or failed (5xx), for the log."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "failed"
    return "refused" if status >= HTTPStatus.BAD_REQUEST else "done"
