"""What a no in the person's own words does, at any moment: it is obeyed like the command that means the same."""

from __future__ import annotations

from dataclasses import replace

from onboarding_bot.conversation.command_rules import opted_out
from onboarding_bot.conversation.contact import OptOut
from onboarding_bot.conversation.intents import Refusal, refusal_in
from onboarding_bot.conversation.own_data import ask_before_erasing
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.scene import Scene
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.conversation.turn import MessageKind, Turn, TurnResult

# Where a longer answer is expected, or a number was shown, single words near each other mean something else.
_ANSWERS_IN_WORDS = frozenset({OnboardingStep.SECTOR, OnboardingStep.PINCODE, OnboardingStep.PHONE})
_NUMBER_IN_QUESTION = frozenset({OnboardingStep.PHONE, OnboardingStep.CONFIRMATION})


def obey_refusal(scene: Scene) -> Turn | None:
    """The turn of a message that refuses; None when it does not."""
    match _refusal(scene):
        case None:
            return None
        case Refusal.DELETE:
            return ask_before_erasing(scene)
        case Refusal.DO_NOT_WRITE:
            turn = opted_out(scene)
            # Before the notice nothing is pending that could be asked again.
            return replace(turn, reply=turn.reply[:1]) if _owes_notice(scene) else turn
        case _:
            return _withdrawn(scene)


def _owes_notice(scene: Scene) -> bool:
    return scene.step is OnboardingStep.WELCOME and scene.contact.draft is None


def _refusal(scene: Scene) -> Refusal | None:
    if scene.message.kind is not MessageKind.TEXT:
        return None
    kind = refusal_in(scene.message.text, among_answers=scene.step in _ANSWERS_IN_WORDS)
    # There it says that the number in the summary is wrong.
    is_correction = kind is Refusal.WRONG_NUMBER and scene.step in _NUMBER_IN_QUESTION
    return None if is_correction else kind


def _withdrawn(scene: Scene) -> Turn:
    """Keep no answer and no consent, and write to this person no more; whoever is registered keeps the account."""
    if scene.contact.registration:
        turn = opted_out(scene)
        return replace(turn, contact=replace(turn.contact, consents={}))
    contact = replace(
        scene.contact,
        draft=None,
        consents={},
        opt_out=scene.contact.opt_out or OptOut(scene.now, scene.message.sid),
    )
    # Whoever has not read the notice yet gets it when they come back.
    step = OnboardingStep.NAME if contact.notice_version else OnboardingStep.WELCOME
    return scene.turn(
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
