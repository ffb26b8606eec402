"""Answers a refusal in the person's own words, in every step, as the command that means the same."""

from __future__ import annotations

from dataclasses import replace

from onboarding_bot.conversation.consent import record_opt_out
from onboarding_bot.conversation.contact import OptOut
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.intents import Refusal, refusal_in
from onboarding_bot.conversation.own_data import ask_whether_to_erase
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import WITHOUT_ANSWERS, OnboardingStep
from onboarding_bot.conversation.turn import MessageKind, Turn, TurnResult

# In these steps words near each other may belong to the answer, such as a trade.
_ANSWERED_IN_WORDS = frozenset({OnboardingStep.SECTOR, OnboardingStep.PINCODE, OnboardingStep.PHONE})
# In these steps "wrong number" speaks of the number in the question.
_NUMBER_IN_QUESTION = frozenset({OnboardingStep.PHONE, OnboardingStep.CONFIRMATION})


def answer_refusal(context: Context) -> Turn | None:
    """The turn of a message that refuses; None when it does not."""
    match _refusal(context):
        case None:
            return None
        case Refusal.DELETE:
            return ask_whether_to_erase(context)
        case Refusal.DO_NOT_WRITE:
            turn = record_opt_out(context)
            # Before the notice no question is pending that could be repeated.
            return replace(turn, reply=turn.reply[:1]) if context.notice_is_owed else turn
        case _:
            return _end_sign_up(context)


def _refusal(context: Context) -> Refusal | None:
    if context.message.kind is not MessageKind.TEXT:
        return None
    refusal = refusal_in(context.message.text, among_answers=context.step in _ANSWERED_IN_WORDS)
    is_correction = refusal is Refusal.WRONG_NUMBER and context.step in _NUMBER_IN_QUESTION
    return None if is_correction else refusal


def _end_sign_up(context: Context) -> Turn:
    """Opt out, and discard answers and consents; a registered person stays registered."""
    if context.contact.registration:
        turn = record_opt_out(context)
        return replace(turn, contact=replace(turn.contact, consents={}))
    opt_out = context.contact.opt_out or OptOut(context.now, context.message.sid)
    contact = replace(context.contact, draft=None, consents={}, opt_out=opt_out)
    # Without the notice, the person gets it with the next message.
    step = OnboardingStep.NAME if contact.notice_version else OnboardingStep.WELCOME
    return context.turn(TurnResult.COMMAND, Part("refusal.done"), contact=contact, current_step=step, **WITHOUT_ANSWERS)
