"""The CSV file of a broadcast: one line for each recipient, sent as the recipients are read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime

from flask import Response, stream_with_context

from onboarding_bot.broadcasts.service import NO_ADDRESSES, BroadcastService, RecipientLine
from onboarding_bot.web.api.audit import audit_detail, require_audit_line
from onboarding_bot.web.api.operations.broadcasts import CSV, CSV_COLUMNS
from onboarding_bot.whatsapp_address import CHANNEL, is_whatsapp

# How much of a number a masked address shows, at its beginning and at its end.
HEAD, TAIL = 3, 4
HIDDEN = "******"


def recipients_csv(service: BroadcastService, broadcast_id: str, *, shows_addresses: bool) -> Response:
    """A broadcast's CSV file; ``shows_addresses`` tells whether addresses are masked, and the audit line says so.

    Raises UnknownBroadcastError, StoreUnavailableError, and AuditUnavailableError.
    """
    audit_detail(masked=not shows_addresses)
    lines = service.recipients(broadcast_id)
    require_audit_line()
    response = Response(stream_with_context(_csv(lines, shows_addresses=shows_addresses)), mimetype=CSV)
    response.headers["Content-Disposition"] = f'attachment; filename="broadcast-{broadcast_id}.csv"'
    return response


def masked(address: str) -> str:
    """``whatsapp:+919876543210`` as ``whatsapp:+91******3210``; a short one loses its tail as well.

    What stands in the place of an address (``unknown``) stays as it is. Anything else is hidden whole: any part of it
    may tell who the person is.
    """
    if address in NO_ADDRESSES:
        return address
    if not is_whatsapp(address):
        return HIDDEN
    number = address.removeprefix(CHANNEL)
    tail = number[-TAIL:] if len(number) > HEAD + TAIL + TAIL else ""
    return f"{CHANNEL}{number[:HEAD]}{HIDDEN}{tail}"


def _csv(lines: Iterator[RecipientLine], *, shows_addresses: bool) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(CSV_COLUMNS)
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
