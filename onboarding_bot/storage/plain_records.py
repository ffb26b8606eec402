"""Values that stand in clear in Redis, as JSON: opt-outs, which need no key to be read, and replies to erasures."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from onboarding_bot.conversation import reply as replies
from onboarding_bot.conversation.contact import Contact, OptOut, OtpRequest
from onboarding_bot.conversation.session import RememberedReply
from onboarding_bot.observability.logs import describe, logger

# The source of the opt-out that an erasure leaves.
ERASURE = "erasure"
# Stands for an opt-out whose time and source are damaged.
_UNREADABLE_OPT_OUT = OptOut(datetime.fromtimestamp(0, UTC), "unreadable")


def opt_out_to_store(opt_out: OptOut) -> str:
    """The value of an opt-out."""
    return json.dumps(opt_out.to_record())


def tombstone_to_store(contact: Contact | None, erased_at: datetime) -> str:
    """The value of the opt-out that an erasure leaves: its own, or the earlier one.

    With the times of the day's OTP requests: a person who is erased and comes back at once has no more of them left.
    """
    opt_out = (contact.opt_out if contact else None) or OptOut(erased_at, ERASURE)
    requests = contact.otp_requests if contact else ()
    return json.dumps(opt_out.to_record() | {"otp_requests": [request.at.isoformat() for request in requests]})


def read_opt_out(value: bytes) -> tuple[OptOut, tuple[OtpRequest, ...]]:
    """The opt-out in a value, and the OTP requests that still count after an erasure.

    A damaged one is an opt-out all the same, as it is for the scripts that let messages out.
    """
    try:
        record = json.loads(value)
        # The same request under each address of one person: the time tells it from others where two records are joined.
        return OptOut.from_record(record), tuple(
            OtpRequest(f"erased.{at}", datetime.fromisoformat(at)) for at in record.get("otp_requests", [])
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        logger().error("stored_value_unreadable", kind="opt_out", **describe(error))
        return _UNREADABLE_OPT_OUT, ()


def erasure_reply_to_store(erasure_reply: RememberedReply) -> str:
    """The value of the reply to an erasure."""
    reply = replies.to_record(erasure_reply.reply or ())
    return json.dumps({"at": erasure_reply.at.isoformat(), "reply": reply, "language": erasure_reply.language})


def read_erasure_reply(message_sid: str, value: bytes | None) -> RememberedReply | None:
    """The reply to an erasure, for a copy of the message that asked for it, or of an earlier one."""
    if value is None:
        return None
    record: dict[str, Any] = json.loads(value)
    at = datetime.fromisoformat(record["at"])
    return RememberedReply(message_sid, at, replies.from_record(record["reply"]), record["language"])
