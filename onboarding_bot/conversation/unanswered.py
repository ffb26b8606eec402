"""What a person wrote while nobody answered, and the words among it that count all the same, such as STOP.

A refusal in other words counts as a STOP.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from onboarding_bot.conversation.command_rules import follow
from onboarding_bot.conversation.commands import Command, find_command
from onboarding_bot.conversation.contact import NEWS, Contact
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.intents import ENDING, refusal_in
from onboarding_bot.conversation.reply import Reply
from onboarding_bot.conversation.session import UserSession
from onboarding_bot.conversation.turn import InboundMessage

_WORDS_OF_CONSENT = frozenset({Command.STOP, Command.START, Command.UPDATES, Command.STOP_UPDATES})
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MissedMessage:
    """A message that may have reached nobody, and when Twilio got it."""

    message: InboundMessage
    at: datetime


def is_word_of_consent(text: str) -> bool:
    """Whether the message switches something on or off that the bot sends on its own account."""
    return _word_of_consent(text) is not None


def _word_of_consent(text: str) -> Command | None:
    command = find_command(text)
    if command is None and refusal_in(text) in ENDING:
        return Command.STOP
    return command if command in _WORDS_OF_CONSENT else None


def hear_consent(session: UserSession, contact: Contact, missed: Iterable[MissedMessage]) -> tuple[Contact, Reply]:
    """The contact after the words of consent among ``missed`` (the oldest first), and what confirms the last of them.

    A word that was heard in its time has left its mark in the record, so only what came after that counts.
    """
    confirmation: Reply = ()
    heard_at = _last_heard(contact)
    for one in missed:
        command = _word_of_consent(one.message.text)
        if command is None or one.at <= heard_at:
            continue
        is_off = contact.opt_out is not None
        changes = {Command.UPDATES: True, Command.START: is_off}.get(command, not is_off)
        turn = follow(command, Context(session, contact, one.message, one.at))
        contact, confirmation = turn.contact, turn.reply[:1] if changes else ()
        if command is Command.STOP and find_command(one.message.text) is None:
            # Whoever refuses, and does not only want to be left alone, agrees to nothing any more.
            contact = replace(contact, consents={})
    return contact, confirmation


def _last_heard(contact: Contact) -> datetime:
    news = contact.consents.get(NEWS)
    marks = (
        contact.opt_out and contact.opt_out.at,
        contact.news_ended and contact.news_ended.at,
        contact.asked_for_messages_at,
        news and news.at,
    )
    return max((mark for mark in marks if mark), default=_LONG_AGO)
