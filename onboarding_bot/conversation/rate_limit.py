"""The rate limit of one person: a message over the limit gets one request to wait, and further ones no reply."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

from onboarding_bot.conversation.commands import Command
from onboarding_bot.conversation.consent import consent_command_in, record_news_opt_out, record_opt_out
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import RateLimitWindow, UserSession
from onboarding_bot.conversation.turn import MessageKind, Turn, TurnResult

WINDOW = timedelta(minutes=1)


def count_message(session: UserSession, now: datetime) -> UserSession:
    """The session with one more message in its window, or in a new window when that is over."""
    window = session.rate_limit_window
    # The clocks of two machines may differ: a window that begins far in the future would silence a person for long.
    if window is None or abs(now - window.began_at) >= WINDOW:
        return replace(session, rate_limit_window=RateLimitWindow(now))
    return replace(session, rate_limit_window=replace(window, messages=window.messages + 1))


def is_over_limit(session: UserSession, messages_per_minute: int) -> bool:
    """Whether the message that was just counted is over the limit."""
    return session.rate_limit_window is not None and session.rate_limit_window.messages > messages_per_minute


def answer_over_limit(context: Context) -> Turn:
    """The turn of a message over the limit; a STOP or STOP UPDATES is recorded and confirmed once."""
    contact = context.contact
    command = consent_command_in(context.message.text) if context.message.kind is MessageKind.TEXT else None
    if command is Command.STOP and contact.opt_out is None:
        return record_opt_out(context)
    if command is Command.STOP_UPDATES and contact.opt_out is None and contact.news_ended is None:
        return record_news_opt_out(context)
    window = context.session.rate_limit_window or RateLimitWindow(context.now)
    if window.warned:
        return context.turn(TurnResult.TOO_FAST)
    wait_seconds = max(1, math.ceil((window.began_at + WINDOW - context.now).total_seconds()))
    return context.turn(
        TurnResult.TOO_FAST,
        Part("pace.slow_down", {"count": wait_seconds}),
        rate_limit_window=replace(window, warned=True),
    )
