"""The retry schedule: when a message that failed is tried again, and when no more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from onboarding_bot.outbound.twilio_errors import SENDER_LIMITED, Verdict, verdict_on

BACK_OFF = tuple(timedelta(seconds=seconds) for seconds in (2, 4, 8, 16))
LATER = (timedelta(hours=24), timedelta(hours=72))
# A limit that passes does so within the back-off of one message.
LIMITED_AT_MOST = sum(BACK_OFF, timedelta())
# Meta's limit counts over a moving day: places become free one by one.
AFTER_DAILY_LIMIT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """The moments at which a failed message is tried again: the first after the first failure, and so on.

    ``counted_as`` names the recipient's count of failures that decides which moment is next: "retries" or "later".
    Without one ("") the failure is not counted, and the first moment is always the next.
    """

    moments: tuple[datetime, ...]
    counted_as: str = ""


def back_off(now: datetime) -> RetryPlan:
    """The plan for a fault that passes: soon, and each time a little later; the fifth try is the last."""
    return RetryPlan(tuple(now + delay for delay in BACK_OFF), "retries")


def retry_after_refusal(code: int, now: datetime) -> RetryPlan | None:
    """The plan for a message that Twilio refused with ``code``; None when it has failed for good."""
    match verdict_on(code):
        case Verdict.RETRY:
            return back_off(now)
        case Verdict.LATER:
            return RetryPlan(tuple(now + delay for delay in LATER), "later")
        case Verdict.STOP_BROADCAST:
            # Not this recipient's fault: the message goes out if an admin resumes the broadcast.
            return RetryPlan((now,))
        case _:
            return None


def retry_after_callback(code: int, now: datetime) -> RetryPlan | None:
    """The plan for a message that Twilio accepted, and that failed later with ``code``; None: failed for good."""
    if code == SENDER_LIMITED:
        return RetryPlan((now + AFTER_DAILY_LIMIT,))
    return None if verdict_on(code) is Verdict.STOP_BROADCAST else retry_after_refusal(code, now)
