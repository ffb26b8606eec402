"""What a no in the person's own words does, at any moment: it is obeyed like the command that means the same."""

from __future__ import annotations

from dataclasses import replace

from onboarding_bot.conversation.command_rules import opted_out
from onboarding_bot.conversation.contact import OptOut
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.intents import Refusal, refusal_in
from onboarding_bot.conversation.own_data import ask_before_erasing
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.conversation.turn import MessageKind, Turn, TurnResult

# Where a longer answer is expected, or a number was shown, single words near each other mean something else.
_ANSWERS_IN_WORDS = frozenset({OnboardingStep.SECTOR, OnboardingStep.PINCODE, OnboardingStep.PHONE})
_NUMBER_IN_QUESTION = frozenset({OnboardingStep.PHONE, OnboardingStep.CONFIRMATION})


def obey_refusal(context: Context) -> Turn | None:
    """The turn of a message that refuses; None when it does not."""
    match _refusal(context):
        case None:
            return None
        case Refusal.DELETE:
            return ask_before_erasing(context)
        case Refusal.DO_NOT_WRITE:
            turn = opted_out(context)
            # Before the notice nothing is pending that could be asked again.
            return replace(turn, reply=turn.reply[:1]) if _owes_notice(context) else turn
        case _:
            return _withdrawn(context)


def _owes_notice(context: Context) -> bool:
    return context.step is OnboardingStep.WELCOME and context.contact.draft is None


def _refusal(context: Context) -> Refusal | None:
    if context.message.kind is not MessageKind.TEXT:
        return None
    kind = refusal_in(context.message.text, among_answers=context.step in _ANSWERS_IN_WORDS)
    # There it says that the number in the summary is wrong.
    is_correction = kind is Refusal.WRONG_NUMBER and context.step in _NUMBER_IN_QUESTION
    return None if is_correction else kind


def _withdrawn(context: Context) -> Turn:
    """Keep no answer and no consent, and write to this person no more; whoever is registered keeps the account."""
    if context.contact.registration:
        turn = opted_out(context)
        return replace(turn, contact=replace(turn.contact, consents={}))
    contact = replace(
        context.contact,
        draft=None,
        consents={},
        opt_out=context.contact.opt_out or OptOut(context.now, context.message.sid),
    )
    # Whoever has not read the notice yet gets it when they come back.
    step = OnboardingStep.NAME if contact.notice_version else OnboardingStep.WELCOME
    return context.turn(
        TurnResult.COMMAND,
        Part("refusal.done"),
        contact=contact,
        current_step=step,
        data={},
        choosing=False,
        changing=False,
        wrong_answers=0,
        intention=None,
        spare_reservation=None,
        handoff_id=None,
        doubtful_name=None,
        confirmed_name=None,
    )
