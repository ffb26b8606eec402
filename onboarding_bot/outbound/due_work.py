"""What has to be done later: reminders, OTP requests that an outage left open, and scheduled broadcasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.flow import QUESTIONS
from onboarding_bot.conversation.otp import TRIED_AGAIN_EVERY, TRIED_AGAIN_FOR
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.quiet_hours import QuietHours

WINDOW = timedelta(hours=24)
LAST_NUDGE_AFTER = timedelta(hours=23)
# A message that leaves in the last minutes of the window may arrive after it.
IN_HAND = timedelta(minutes=5)


class DueWork(StrEnum):
    """The kinds of work that wait for their time."""

    NUDGE = "nudge"
    OTP = "otp"
    BROADCAST = "broadcast"
    # Of nobody any more: the messages at Twilio of somebody who was erased.
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class DueTimes:
    """When each kind is due for a person; None: not at all."""

    nudge: datetime | None = None
    otp: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reminder:
    """Which of a person's two reminders comes next, and when."""

    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Timetable:
    """The rules of when. Without ``nudge_after`` nobody is reminded."""

    nudge_after: timedelta | None = timedelta(hours=2)
    quiet_hours: QuietHours | None = None

    def due_times(self, session: UserSession, contact: Contact, now: datetime) -> DueTimes:
        """When something is due for a person in this state."""
        reminder = self.next_reminder(session, contact, now)
        return DueTimes(reminder.at if reminder else None, _next_try(session, now))

    def next_reminder(self, session: UserSession, contact: Contact, now: datetime) -> Reminder | None:
        """One reminder after a while, one before the window closes; moved out of the rest hours, or dropped.

        A reminder that is late goes out now, unless it is night, or time for the other one.
        """
        is_asking = session.current_step in QUESTIONS or session.current_step is OnboardingStep.CONFIRMATION
        if self.nudge_after is None or not is_asking or contact.opt_out:
            return None
        wrote_at = contact.last_inbound_at
        plan = ((1, wrote_at + self.nudge_after), (2, wrote_at + LAST_NUDGE_AFTER))
        for number, planned in plan[session.nudges :]:
            if number == 1 and now >= plan[1][1]:
                continue
            moment = max(planned, now)
            rested = (self.quiet_hours.until(moment) if self.quiet_hours else None) or moment
            if rested < wrote_at + WINDOW - IN_HAND:
                return Reminder(number, rested)
        return None


def _next_try(session: UserSession, now: datetime) -> datetime | None:
    intention = session.intention
    if intention is None:
        return None
    # A lease that runs out means that its process died; otherwise the service gets a moment to recover.
    moment = intention.lease_until or now + TRIED_AGAIN_EVERY
    return moment if moment < intention.since + TRIED_AGAIN_FOR else None
