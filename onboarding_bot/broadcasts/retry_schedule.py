"""When a message that failed is tried again, and when not any more."""

from __future__ import annotations

from datetime import datetime, timedelta

from onboarding_bot.outbound.twilio_errors import SENDER_LIMITED, Verdict, verdict_on
from onboarding_bot.storage.ledger import Again

BACK_OFF = tuple(timedelta(seconds=seconds) for seconds in (2, 4, 8, 16))
LATER = (timedelta(hours=24), timedelta(hours=72))
# What passes goes within the back-off of one message.
LIMITED_AT_MOST = sum(BACK_OFF, timedelta())
# Meta's limit counts over a moving day: places become free one by one.
AFTER_DAILY_LIMIT = timedelta(hours=1)


def with_back_off(now: datetime) -> Again:
    """Soon, and each time a little later; the fifth try is the last."""
    return Again(tuple(now + delay for delay in BACK_OFF), "retries")


def retry_after_refusal(code: int, now: datetime) -> Again | None:
    """When a message that Twilio refused with ``code`` is tried again; None when it has failed for good."""
    match verdict_on(code):
        case Verdict.RETRY:
            return with_back_off(now)
        case Verdict.LATER:
            return Again(tuple(now + delay for delay in LATER), "later")
        case Verdict.STOP_BROADCAST:
            # Not this recipient's fault: the row goes out if an admin resumes the broadcast.
            return Again((now,))
        case _:
            return None


def retry_after_callback(code: int, now: datetime) -> Again | None:
    """The same for a message that Twilio took, and that failed later."""
    if code == SENDER_LIMITED:
        return Again((now + AFTER_DAILY_LIMIT,))
    return None if verdict_on(code) is Verdict.STOP_BROADCAST else retry_after_refusal(code, now)
