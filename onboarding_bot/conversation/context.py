"""One message met by one person's state: what every rule of the conversation is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from onboarding_bot.conversation.contact import USUAL_RETENTION, Contact, Retention
from onboarding_bot.conversation.questions import pending_question
from onboarding_bot.conversation.reply import Part, Reply
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.conversation.turn import InboundMessage, Turn, TurnResult


@dataclass(frozen=True, slots=True)
class Context:
    """The state that a message finds, the message, the time, how long things are kept, and the page with our number."""

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
        """Whether another message's OTP request is under way."""
        return self.session.intention is not None and self.session.intention.in_flight(self.now)

    def turn(self, result: TurnResult, *reply: Part, contact: Contact | None = None, **changes: Any) -> Turn:
        """A turn that answers with ``reply`` and makes ``changes`` to the session."""
        session = replace(self.session, **changes) if changes else self.session
        return Turn(self.step, session, contact or self.contact, reply, result)

    def turn_and_question(
        self, result: TurnResult, *reply: Part, contact: Contact | None = None, **changes: Any
    ) -> Turn:
        """A turn that answers with ``reply`` and then asks what is pending after it."""
        turn = self.turn(result, *reply, contact=contact, **changes)
        return replace(turn, reply=(*reply, *pending_question(turn.session, self.message.sender)))

    def question(self) -> Reply:
        """What is pending before this message."""
        return pending_question(self.session, self.message.sender)
