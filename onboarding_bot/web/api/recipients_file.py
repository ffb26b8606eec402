"""The file that proves who got what: one line for each recipient of a broadcast, sent as it is read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime

from flask import Response, stream_with_context

from onboarding_bot.broadcasts.service import BroadcastService, RecipientLine
from onboarding_bot.web.api.audit import audit_broadcast, audit_deed, audit_detail
from onboarding_bot.web.api.masking import masked


def recipients_file(service: BroadcastService, broadcast_id: str, *, shows_addresses: bool) -> Response:
    """A broadcast's CSV, with addresses masked unless they may be seen; the audit line says which.

    Raises UnknownBroadcastError, StoreUnavailableError, and AuditUnavailableError.
    """
    audit_broadcast(broadcast_id)
    audit_detail(masked=not shows_addresses)
    lines = service.recipients(broadcast_id)
    audit_deed()
    response = Response(stream_with_context(_csv(lines, shows_addresses=shows_addresses)), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="broadcast-{broadcast_id}.csv"'
    return response


def _csv(lines: Iterator[RecipientLine], *, shows_addresses: bool) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["recipient", "state", "code", "message_sid", "accepted_at", "changed_at"])
    for line in lines:
        recipient = line.recipient
        address = line.address if shows_addresses else masked(line.address)
        times = (_time(recipient.accepted_at), _time(recipient.changed_at))
        writer.writerow([address, recipient.state, recipient.code, recipient.message_sid, *times])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _time(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""
