"""What the tap of a button or of a list's row says: its id, or the words that the person saw on it."""

from __future__ import annotations

from dataclasses import replace

from onboarding_bot.conversation.answer_rules import understands
from onboarding_bot.conversation.commands import Command, find_command, is_no, is_yes
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.own_data import is_asked_whether_to_erase
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.conversation.turn import InboundMessage, MessageKind

_ENDINGS = frozenset({Command.STOP, Command.STOP_UPDATES})


def as_meant(context: Context | None, message: InboundMessage) -> InboundMessage:
    """The message with the text that counts; ``context`` is None for somebody without a session.

    A typed message stays as it is. A wish to hear no more counts wherever it stands. The ids of our own templates are
    commands. Beyond those, what the person saw comes before an id that whoever made the button was free to choose.
    """
    if not message.shown:
        return message
    for text in (message.shown, message.text):
        if find_command(text) in _ENDINGS:
            return replace(message, text=text)
    for text in (message.text, message.shown):
        if find_command(text):
            return replace(message, text=text)
    if context is None:
        return replace(message, text=message.shown)
    if _answers(context, message.shown) or not (_is_plain(message.text) and _answers(context, message.text)):
        answered = replace(message, text=message.shown)
        return (
            answered
            if context.step is not OnboardingStep.NAME or _answers(context, message.shown)
            else _unread(answered)
        )
    return message


def _answers(context: Context, text: str) -> bool:
    context = replace(context, message=replace(context.message, text=text))
    if is_asked_whether_to_erase(context):
        return is_yes(text) or is_no(text)
    return understands(context)


def _is_plain(tapped: str) -> bool:
    """Whether an id is an answer, and not a name with a number of its own: "7" or "YES", not "row_3"."""
    return tapped.isdigit() or not any(character.isdigit() for character in tapped)


def _unread(message: InboundMessage) -> InboundMessage:
    """Nobody's name stands on a button."""
    return replace(message, text="", kind=MessageKind.UNKNOWN)
