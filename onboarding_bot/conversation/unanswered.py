"""Messages that an outage left unanswered, and the commands among them that change a consent, such as STOP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from onboarding_bot.conversation.command_rules import run_command
from onboarding_bot.conversation.commands import Command, find_command
from onboarding_bot.conversation.consent import consent_command_in
from onboarding_bot.conversation.contact import NEWS, Contact
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.reply import Reply
from onboarding_bot.conversation.session import UserSession
from onboarding_bot.conversation.turn import InboundMessage

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class UnansweredMessage:
    """A message that may have reached no process of the bot, and when Twilio received it."""

    message: InboundMessage
    at: datetime


def apply_consent_commands(
    session: UserSession, contact: Contact, messages: Iterable[UnansweredMessage]
) -> tuple[Contact, Reply]:
    """The contact after the consent commands among ``messages`` (the oldest first), and the last one's confirmation.

    A command that was applied in its time has left its time in the contact record: only later ones count.
    """
    confirmation: Reply = ()
    last_change = _last_consent_change(contact)
    for unanswered in messages:
        text = unanswered.message.text
        command = consent_command_in(text)
        if command is None or unanswered.at <= last_change:
            continue
        is_off = contact.opt_out is not None
        changes = {Command.UPDATES: True, Command.START: is_off}.get(command, not is_off)
        turn = run_command(command, Context(session, contact, unanswered.message, unanswered.at))
        contact, confirmation = turn.contact, turn.reply[:1] if changes else ()
        if command is Command.STOP and find_command(text) is None:
            # A refusal in other words takes back every consent, and not only that to news.
            contact = replace(contact, consents={})
    return contact, confirmation


def _last_consent_change(contact: Contact) -> datetime:
    news = contact.consents.get(NEWS)
    times = (
        contact.opt_out and contact.opt_out.at,
        contact.news_ended and contact.news_ended.at,
        contact.asked_for_messages_at,
        news and news.at,
    )
    return max((at for at in times if at), default=_LONG_AGO)
