"""The privacy notice: the welcome that shows it first, and the reply that shows it again when it has changed."""

from __future__ import annotations

from dataclasses import replace

from onboarding_bot.conversation.command_rules import run_command
from onboarding_bot.conversation.commands import Command, find_command
from onboarding_bot.conversation.consent import CONSENT_COMMANDS
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.intents import refusal_in
from onboarding_bot.conversation.own_data import OWN_DATA_COMMANDS
from onboarding_bot.conversation.reply import Part, Url
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.conversation.turn import InboundMessage, MessageKind, Milestone, Turn, TurnResult

# Changes when the notice or PRIVACY say something else about what is stored, why, how long, or which rights there are.
# Later versions sort behind earlier ones: a release never shows its notice to a person who knows a later one.
NOTICE_VERSION = "2026-11.3"
# PRIVACY and the replies about one's own data fill a message: the changed notice comes with the reply after them.
_REPLIES_WITHOUT_NOTICE = OWN_DATA_COMMANDS | {Command.PRIVACY}
# An opt-out, and every other change of a consent but START, is confirmed before the notice.
_CONFIRMED_FIRST = CONSENT_COMMANDS - {Command.START}


def welcome(context: Context) -> Turn:
    """The first turn of a sign-up: who we are, the notice and the first question, as the reply to any message.

    A command that changes a consent is applied as well, and confirmed before the welcome.
    """
    contact = replace(context.contact, notice_version=NOTICE_VERSION, draft=None)
    check = Part("welcome.page", {"url": Url(context.verify_url)}) if context.verify_url else Part("welcome.people")
    reply = (Part("welcome"), check, Part("notice"), *context.question())
    command = find_command(context.message.text)
    if command in CONSENT_COMMANDS:
        turn = run_command(command, replace(context, contact=contact))
        confirmation = turn.reply[:1] if command is not Command.START else ()
        contact, reply = turn.contact, (*confirmation, *reply)
    turn = context.turn(TurnResult.GREETED, *reply, contact=contact)
    return replace(turn, step=OnboardingStep.WELCOME, milestones=frozenset({Milestone.STARTED}))


def with_changed_notice(turn: Turn, message: InboundMessage) -> Turn:
    """The turn with the notice in its reply when the person knows an older one; the turn stores that it was shown."""
    is_text = message.kind is MessageKind.TEXT
    command = find_command(message.text) if is_text else None
    is_without_notice = turn.erases or command in _REPLIES_WITHOUT_NOTICE
    is_silent = not turn.reply or turn.effect is not None or turn.result is TurnResult.TOO_FAST
    if is_without_notice or is_silent or not knows_older_notice(turn):
        return turn
    is_refusal = is_text and command is None and refusal_in(message.text) is not None
    is_confirmed_first = is_refusal or command in _CONFIRMED_FIRST
    return with_notice(turn, behind=1 if is_confirmed_first else 0)


def knows_older_notice(turn: Turn) -> bool:
    """Whether the person knows an older notice, and no welcome is to come."""
    is_welcome_to_come = turn.session.current_step is OnboardingStep.WELCOME and turn.contact.draft is None
    return not is_welcome_to_come and (turn.contact.notice_version or "") < NOTICE_VERSION


def with_notice(turn: Turn, behind: int = 0) -> Turn:
    """The turn with the changed notice behind the first ``behind`` parts of its reply."""
    notice = (Part("notice.changed"), Part("notice"))
    contact = replace(turn.contact, notice_version=NOTICE_VERSION)
    return replace(turn, reply=(*turn.reply[:behind], *notice, *turn.reply[behind:]), contact=contact)
