"""The states of a broadcast and of each of its rows."""

from __future__ import annotations

from enum import StrEnum


class BroadcastStatus(StrEnum):
    """Where a broadcast stands. COMPLETED means that every row was attempted."""

    COUNTING = "counting"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    PAUSED = "paused"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    COMPLETED = "completed"

    @property
    def is_final(self) -> bool:
        """Whether nothing is sent any more by itself; a stopped one goes on when an admin resumes it."""
        return self in {BroadcastStatus.STOPPED, BroadcastStatus.CANCELLED, BroadcastStatus.COMPLETED}


class RowState(StrEnum):
    """What became of one recipient. UNCERTAIN: the message may be out, and is not sent again by itself."""

    PENDING = "pending"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    SKIPPED = "skipped"


class SkipReason(StrEnum):
    """Why a recipient is left out before any call is made."""

    OPTED_OUT = "opted_out"
    OUTSIDE_WINDOW = "outside_window"
    SUPPRESSED = "suppressed"
    NO_CONSENT = "no_consent"
    FREQUENCY = "frequency"


# Twilio's words for a message (https://www.twilio.com/docs/messaging/api/message-resource#message-status-values).
STATE_BY_CALLBACK = {
    "sent": RowState.SENT,
    "delivered": RowState.DELIVERED,
    "read": RowState.READ,
    "failed": RowState.FAILED,
    "undelivered": RowState.FAILED,
}
