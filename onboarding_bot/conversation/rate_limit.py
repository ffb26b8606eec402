"""How fast a person may write: beyond that they are asked once to slow down, and then nothing is read for a while."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

from onboarding_bot.conversation.command_rules import opted_out, without_news
from onboarding_bot.conversation.commands import Command, find_command
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.intents import ENDING, refusal_in
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import Minute, UserSession
from onboarding_bot.conversation.turn import MessageKind, Turn, TurnResult

MINUTE = timedelta(minutes=1)


def counted(session: UserSession, now: datetime) -> UserSession:
    """The session with one more message in its minute, or in a new one when that is over."""
    minute = session.minute
    # Of two machines one may be a little ahead; a minute that begins far in the future would silence a person for long.
    if minute is None or abs(now - minute.began_at) >= MINUTE:
        return replace(session, minute=Minute(now))
    return replace(session, minute=replace(minute, messages=minute.messages + 1))


def is_too_fast(session: UserSession, messages_per_minute: int) -> bool:
    """Whether the message that was just counted is one too many."""
    return session.minute is not None and session.minute.messages > messages_per_minute


def hold_back(context: Context) -> Turn:
    """The turn of a message that is not read; a STOP, also to news, is obeyed and confirmed once."""
    command = _word_of_consent(context) if context.message.kind is MessageKind.TEXT else None
    if command is Command.STOP and context.contact.opt_out is None:
        return opted_out(context)
    if command is Command.STOP_UPDATES and context.contact.opt_out is None and context.contact.news_ended is None:
        return without_news(context)
    minute = context.session.minute or Minute(context.now)
    if minute.warned:
        return context.turn(TurnResult.TOO_FAST)
    left = max(1, math.ceil((minute.began_at + MINUTE - context.now).total_seconds()))
    return context.turn(
        TurnResult.TOO_FAST, Part("pace.slow_down", {"count": left}), minute=replace(minute, warned=True)
    )


def _word_of_consent(context: Context) -> Command | None:
    """The command that the message is; a refusal in other words is a STOP."""
    command = find_command(context.message.text)
    return Command.STOP if command is None and refusal_in(context.message.text) in ENDING else command
