"""Which text of a tapped button, or of a list's row, counts: its id, or the words on it."""

from __future__ import annotations

from dataclasses import replace

from onboarding_bot.conversation.answer_rules import understands
from onboarding_bot.conversation.commands import Command, find_command, is_no, is_yes
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.own_data import erasure_question_is_pending
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.conversation.turn import InboundMessage, MessageKind

_OPT_OUTS = frozenset({Command.STOP, Command.STOP_UPDATES})


def choose_text(context: Context | None, message: InboundMessage) -> InboundMessage:
    """The message with the text that counts; ``context`` is None for a person without a session.

    A typed message stays as it is. An opt-out counts in either text. The ids of our own templates are commands. After
    those, the words on the button come before the id, which the button's author was free to choose.
    """
    if not message.button_text:
        return message
    for text in (message.button_text, message.text):
        if find_command(text) in _OPT_OUTS:
            return replace(message, text=text)
    for text in (message.text, message.button_text):
        if find_command(text):
            return replace(message, text=text)
    if context is None:
        return replace(message, text=message.button_text)
    is_answer = _answers(context, message.button_text)
    if not is_answer and _is_answer_id(message.text) and _answers(context, message.text):
        return message
    if not is_answer and context.step is OnboardingStep.NAME:
        # No person's name stands on a button.
        return replace(message, text="", kind=MessageKind.UNKNOWN)
    return replace(message, text=message.button_text)


def _answers(context: Context, text: str) -> bool:
    context = replace(context, message=replace(context.message, text=text))
    if erasure_question_is_pending(context):
        return is_yes(text) or is_no(text)
    return understands(context)


def _is_answer_id(button_id: str) -> bool:
    """Whether an id is an answer, and not a name with a number in it: "7" or "YES", not "row_3"."""
    return button_id.isdigit() or not any(character.isdigit() for character in button_id)
