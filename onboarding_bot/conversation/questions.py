"""What is still open for a person, and what is known already, as parts of a reply."""

from __future__ import annotations

from collections.abc import Mapping

from onboarding_bot.conversation.flow import FLOW, QUESTIONS, shown_answer
from onboarding_bot.conversation.reply import Part, Reply, Value
from onboarding_bot.conversation.session import OnboardingStep, UserSession


def pending_question(session: UserSession, sender: str) -> Reply:
    """What the bot waits for: the step's question, the summary to confirm, or what can be done after the end."""
    match session.current_step:
        case OnboardingStep.WELCOME:
            return (Part("draft.choice"),)
        case OnboardingStep.CONFIRMATION if session.choosing:
            return (Part("change.ask"),)
        case OnboardingStep.CONFIRMATION:
            return (Part("confirmation.ask", all_answers(session.data)),)
        case OnboardingStep.COMPLETED:
            return (Part("completed.hint"),)
        case OnboardingStep.NAME if session.doubtful_name:
            return (Part("name.doubtful", {"name": session.doubtful_name}),)
        case step:
            return (QUESTIONS[step].ask(sender),)


def answers_so_far(session: UserSession) -> Reply:
    """One line for each answer that is known; nothing where the summary or the end shows them anyway."""
    return tuple(
        Part(
            f"known.{question.field}",
            {question.field: shown_answer(question.field, session.data[question.field])},
        )
        for question in FLOW
        if question.field in session.data
    )


def status(session: UserSession, sender: str) -> Reply:
    """The answers so far and the pending question."""
    if session.current_step is OnboardingStep.CONFIRMATION and not session.choosing:
        return pending_question(session, sender)
    known = answers_so_far(session)
    return (
        (Part("status.known"), *known, *pending_question(session, sender))
        if known
        else (
            Part("status.nothing"),
            *pending_question(session, sender),
        )
    )


def all_answers(data: Mapping[str, str]) -> dict[str, Value]:
    """Every answer of a finished sign-up, as it is shown."""
    return {question.field: shown_answer(question.field, data[question.field]) for question in FLOW}
