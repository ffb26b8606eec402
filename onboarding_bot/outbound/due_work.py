"""The kinds of due work, and the rules of when a reminder or another try of an OTP request is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.otp import RETRY_EVERY, RETRY_FOR
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.conversation.sign_up import QUESTIONS
from onboarding_bot.outbound.sending_window import SENDING_WINDOW
from onboarding_bot.quiet_hours import QuietHours

LAST_REMINDER_AFTER = timedelta(hours=23)


class DueWork(StrEnum):
    """The kinds of work that wait for their time, by the names under which they are stored.

    REMINDER: send a reminder. OTP: try an OTP request again that an outage left open. BROADCAST: begin a scheduled
    broadcast. MESSAGES: delete the messages of an erased person at Twilio.
    """

    REMINDER = "nudge"
    OTP = "otp"
    BROADCAST = "broadcast"
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class DueTimes:
    """When the work that follows from a person's state is due, as each turn writes it; None: not at all."""

    reminder: datetime | None = None
    otp: datetime | None = None

    def by_kind(self) -> dict[DueWork, datetime | None]:
        """The times by the kind of work."""
        return {DueWork.REMINDER: self.reminder, DueWork.OTP: self.otp}


WORK_OF_A_PERSON = tuple(DueTimes().by_kind())


@dataclass(frozen=True, slots=True)
class Reminder:
    """Which of a person's two reminders comes next, and when."""

    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Timetable:
    """When reminders and retries are due. ``remind_after`` is how long after a person's last message; None: never."""

    remind_after: timedelta | None = timedelta(hours=2)
    quiet_hours: QuietHours | None = None

    def due_times(self, session: UserSession, contact: Contact, now: datetime) -> DueTimes:
        """When something is due for a person in this state."""
        reminder = self.next_reminder(session, contact, now)
        return DueTimes(reminder.at if reminder else None, _next_otp_try(session, now))

    def next_reminder(self, session: UserSession, contact: Contact, now: datetime) -> Reminder | None:
        """One reminder after a while, one before the window closes; moved out of the quiet hours, or dropped.

        A reminder that is late goes out now, unless it is in the quiet hours, or time for the other one.
        """
        is_asking = session.current_step in QUESTIONS or session.current_step is OnboardingStep.CONFIRMATION
        if self.remind_after is None or not is_asking or contact.opt_out:
            return None
        wrote_at = contact.last_inbound_at
        plan = ((1, wrote_at + self.remind_after), (2, wrote_at + LAST_REMINDER_AFTER))
        for number, planned in plan[session.reminders_sent :]:
            if number == 1 and now >= plan[1][1]:
                continue
            moment = max(planned, now)
            at = (self.quiet_hours.until(moment) if self.quiet_hours else None) or moment
            if at < wrote_at + SENDING_WINDOW:
                return Reminder(number, at)
        return None


def _next_otp_try(session: UserSession, now: datetime) -> datetime | None:
    intention = session.intention
    if intention is None:
        return None
    # A lease that runs out means that its process died; otherwise the service gets a moment to recover.
    moment = intention.lease_until or now + RETRY_EVERY
    return moment if moment < intention.since + RETRY_FOR else None
