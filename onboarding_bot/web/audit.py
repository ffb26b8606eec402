"""Who changed something or read people's data: one line of the log for each such call, under the name of its key."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from flask import Response, after_this_request, g

from onboarding_bot.admin_keys import AdminKey
from onboarding_bot.logs import audit_log

_BROADCAST_ID = re.compile(r"[0-9a-f]{24}")


def begin_audit(action: str, key: AdminKey) -> None:
    """Write the line when this request is answered, whatever the answer is."""
    g.audit = {"action": action, "key": key.name}

    @after_this_request
    def write(response: Response) -> Response:
        audit_log().info("audit", **g.audit, outcome=outcome_of(response.status_code), status=response.status_code)
        return response


def audit_detail(**details: Any) -> None:
    """Add to this request's line what it was about: ids and counts, and nothing that names a person."""
    g.audit.update(details)


def audit_broadcast(broadcast_id: str) -> None:
    """Add which broadcast it was about; anything may stand in a path, and only an id goes into the log."""
    if _BROADCAST_ID.fullmatch(broadcast_id):
        audit_detail(broadcast_id=broadcast_id)


def outcome_of(status: int) -> str:
    """Done, refused (4xx) or failed (5xx), for the log."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "failed"
    return "refused" if status >= HTTPStatus.BAD_REQUEST else "done"
