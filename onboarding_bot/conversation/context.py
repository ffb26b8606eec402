"""The context of a rule: one message and the state of its sender."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from onboarding_bot.conversation.contact import USUAL_RETENTION, Contact, Retention
from onboarding_bot.conversation.reply import Part, Reply
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.conversation.sign_up import pending_question
from onboarding_bot.conversation.turn import InboundMessage, Turn, TurnResult


@dataclass(frozen=True, slots=True)
class Context:
    """The argument of every rule: session, contact, message and time, how long data is kept, and VERIFY_URL."""

    session: UserSession
    contact: Contact
    message: InboundMessage
    now: datetime
    retention: Retention = USUAL_RETENTION
    verify_url: str | None = None

    @property
    def step(self) -> OnboardingStep:
        """The step that the message finds."""
        return self.session.current_step

    @property
    def otp_is_being_requested(self) -> bool:
        """Whether the OTP request of another message is under way."""
        return self.session.intention is not None and self.session.intention.in_flight(self.now)

    @property
    def notice_is_owed(self) -> bool:
        """Whether the person has not been shown the privacy notice yet, and has no draft to choose about."""
        return self.step is OnboardingStep.WELCOME and self.contact.draft is None

    def turn(self, result: TurnResult, *reply: Part, contact: Contact | None = None, **changes: Any) -> Turn:
        """A turn with this reply, and ``changes`` to fields of the session."""
        session = replace(self.session, **changes) if changes else self.session
        return Turn(self.step, session, contact or self.contact, reply, result)

    def turn_and_question(
        self, result: TurnResult, *reply: Part, contact: Contact | None = None, **changes: Any
    ) -> Turn:
        """A turn with this reply and the question that is pending after ``changes``."""
        turn = self.turn(result, *reply, contact=contact, **changes)
        return replace(turn, reply=(*reply, *pending_question(turn.session, self.message.sender)))

    def question(self) -> Reply:
        """The question that is pending before this message."""
        return pending_question(self.session, self.message.sender)
