"""The person's own data: shown when they ask, and erased when they say yes to that."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from onboarding_bot.conversation.commands import Command, is_no, is_yes
from onboarding_bot.conversation.contact import NEWS, OTP_DAY, SERVICE, Contact
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.questions import all_answers, answers_so_far
from onboarding_bot.conversation.reply import Part, Reply
from onboarding_bot.conversation.session import SESSION_LIFETIME, OnboardingStep
from onboarding_bot.conversation.turn import Turn, TurnResult
from onboarding_bot.time_zone import INDIA

# Answered at once, even before somebody has read the notice: what was kept of them in earlier times is theirs.
ABOUT_OWN_DATA = frozenset({Command.MY_DATA, Command.DELETE_MY_DATA})
# Later a YES means something else.
YES_COUNTS_FOR = timedelta(minutes=15)


def show_own_data(context: Context) -> Turn:
    """The turn of MY DATA: all that is kept, in plain words, and until when."""
    contact = context.contact
    address = {"address": contact.address.removeprefix("whatsapp:"), "first": _day(contact.first_inbound_at)}
    kept = (
        Part("own_data.kept"),
        *_answers(context),
        *_earlier_answers(context),
        Part("own_data.address", address),
        *_consents(contact),
        *_otp_requests(context),
        *_until(context),
        Part("own_data.more"),
    )
    if _owes_notice(context):
        return context.turn(TurnResult.COMMAND, *kept)
    return context.turn_and_question(TurnResult.COMMAND, *kept)


def ask_before_erasing(context: Context) -> Turn:
    """The turn of DELETE MY DATA: what it means, and whether it is meant."""
    return context.turn(TurnResult.COMMAND, Part("erasure.ask"))


def is_asked_whether_to_erase(context: Context) -> bool:
    """Whether the last word of the bot was that question, a moment ago."""
    last = context.session.remembered[-1] if context.session.remembered else None
    if last is None or context.session.nudges or context.now - last.at >= YES_COUNTS_FOR:
        return False
    return last.reply is not None and any(part.code == "erasure.ask" for part in last.reply)


def erase_or_keep(context: Context) -> Turn | None:
    """The turn of the answer to that question; None when it is neither a yes nor a no, and nothing is erased."""
    if is_yes(context.message.text):
        turn = context.turn(TurnResult.COMMAND, Part("erasure.done"))
        return replace(turn, erases=True)
    if not is_no(context.message.text):
        return None
    if _owes_notice(context):
        return context.turn(TurnResult.COMMAND, Part("erasure.not_done"))
    return context.turn_and_question(TurnResult.COMMAND, Part("erasure.not_done"))


def _owes_notice(context: Context) -> bool:
    return context.step is OnboardingStep.WELCOME and context.contact.draft is None


def _answers(context: Context) -> Reply:
    """The answers of this conversation; where it waits for the summary's yes, that shows them anyway."""
    is_summary_next = context.step is OnboardingStep.CONFIRMATION and not context.session.choosing
    return () if is_summary_next else answers_so_far(context.session)


def _earlier_answers(context: Context) -> Reply:
    """A finished sign-up, and unfinished answers; whoever has the phone by now chooses before the latter are shown."""
    contact, parts = context.contact, []
    if contact.registration and contact.completed_at:
        since = {"at": _day(contact.completed_at)}
        is_shown = contact.registration == context.session.data
        answers = {} if is_shown else all_answers(contact.registration)
        parts.append(Part("own_data.registered" if is_shown else "own_data.registration", answers | since))
    if contact.draft and context.step is OnboardingStep.WELCOME:
        counted = len(contact.draft.data)
        parts.append(Part("own_data.draft", {"count": counted, "at": _day(contact.draft.saved_at)}))
    return tuple(parts)


def _consents(contact: Contact) -> Reply:
    news, service = contact.consents.get(NEWS), contact.consents.get(SERVICE)
    said = (
        (Part("own_data.service", {"at": _day(service.at)}) if service else None),
        (Part("own_data.news", {"at": _day(news.at)}) if news else None),
        (Part("own_data.news_ended", {"at": _day(contact.news_ended.at)}) if contact.news_ended else None),
        (Part("own_data.opt_out", {"at": _day(contact.opt_out.at)}) if contact.opt_out else None),
    )
    return tuple(part for part in said if part)


def _otp_requests(context: Context) -> Reply:
    requests = [request for request in context.contact.otp_requests if context.now - request.at < OTP_DAY]
    return (Part("own_data.otp_requests", {"count": len(requests)}),) if requests else ()


def _until(context: Context) -> Reply:
    wrote_at, retention = context.contact.last_inbound_at, context.retention
    days = {
        "last": _day(wrote_at),
        "session": _day(wrote_at + SESSION_LIFETIME),
        "draft": _day(wrote_at + retention.draft),
        "contact": _day(wrote_at + retention.contact),
    }
    return (Part("own_data.until", days),)


def _day(moment: datetime) -> str:
    """The day as people in India write it, by their clock."""
    return f"{moment.astimezone(INDIA):%d-%m-%Y}"
