"""The statuses of a broadcast, and the states of each of its recipients."""

from __future__ import annotations

from enum import StrEnum


class BroadcastStatus(StrEnum):
    """Where a broadcast stands. COMPLETED means that no recipient is pending or being sent to."""

    COUNTING = "counting"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    PAUSED = "paused"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    COMPLETED = "completed"

    @property
    def is_running(self) -> bool:
        """Whether it goes on by itself, and an admin may pause it."""
        return self in RUNNING

    @property
    def is_held(self) -> bool:
        """Whether it stands still until an admin resumes it."""
        return self in HELD

    @property
    def is_final(self) -> bool:
        """Whether nothing is sent any more by itself; a stopped one goes on when an admin resumes it."""
        return self in {BroadcastStatus.STOPPED, BroadcastStatus.CANCELLED, BroadcastStatus.COMPLETED}


RUNNING = (BroadcastStatus.COUNTING, BroadcastStatus.SCHEDULED, BroadcastStatus.SENDING)
HELD = (BroadcastStatus.PAUSED, BroadcastStatus.STOPPED)


class RecipientState(StrEnum):
    """Where a recipient stands. UNCERTAIN: the message may be out, and is not sent again by itself."""

    PENDING = "pending"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    SKIPPED = "skipped"


class SkipReason(StrEnum):
    """Why a recipient is skipped before any call to Twilio."""

    OPTED_OUT = "opted_out"
    OUTSIDE_WINDOW = "outside_window"
    SUPPRESSED = "suppressed"
    NO_CONSENT = "no_consent"
    FREQUENCY = "frequency"


# Twilio's words for a message (https://www.twilio.com/docs/messaging/api/message-resource#message-status-values).
STATE_BY_CALLBACK = {
    "sent": RecipientState.SENT,
    "delivered": RecipientState.DELIVERED,
    "read": RecipientState.READ,
    "failed": RecipientState.FAILED,
    "undelivered": RecipientState.FAILED,
}
