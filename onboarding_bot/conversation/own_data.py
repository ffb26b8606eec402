"""MY DATA and DELETE MY DATA: shows a person's own data, and erases it after a yes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from onboarding_bot.conversation.commands import Command, is_no, is_yes
from onboarding_bot.conversation.contact import NEWS, OTP_DAY, SERVICE, Contact
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.reply import Part, Reply
from onboarding_bot.conversation.session import SESSION_LIFETIME, OnboardingStep
from onboarding_bot.conversation.sign_up import all_answers, answers_so_far
from onboarding_bot.conversation.turn import Turn, TurnResult
from onboarding_bot.time_zone import INDIA

# Answered even before the notice: what was stored of a person earlier is theirs.
OWN_DATA_COMMANDS = frozenset({Command.MY_DATA, Command.DELETE_MY_DATA})
# After that a YES no longer answers the question whether to erase.
ERASURE_QUESTION_LIFETIME = timedelta(minutes=15)


def answer_my_data(context: Context) -> Turn:
    """The turn of MY DATA: all that is stored, in plain words, and until when."""
    contact = context.contact
    address = {"address": contact.address.removeprefix("whatsapp:"), "first": _day(contact.first_inbound_at)}
    reply = (
        Part("own_data.kept"),
        *_answers(context),
        *_earlier_answers(context),
        Part("own_data.address", address),
        *_consents(contact),
        *_otp_requests(context),
        *_until(context),
        Part("own_data.more"),
    )
    return _turn_with_question_after_notice(context, *reply)


def ask_whether_to_erase(context: Context) -> Turn:
    """The turn of DELETE MY DATA: what an erasure means, and the question whether to erase."""
    return context.turn(TurnResult.COMMAND, Part("erasure.ask"))


def erasure_question_is_pending(context: Context) -> bool:
    """Whether the last reply asked whether to erase, less than ERASURE_QUESTION_LIFETIME ago."""
    last = context.session.remembered[-1] if context.session.remembered else None
    if last is None or context.session.reminders_sent or context.now - last.at >= ERASURE_QUESTION_LIFETIME:
        return False
    return last.reply is not None and any(part.code == "erasure.ask" for part in last.reply)


def answer_erasure_question(context: Context) -> Turn | None:
    """The turn of the answer to that question; None when the message is neither a yes nor a no."""
    if is_yes(context.message.text):
        turn = context.turn(TurnResult.COMMAND, Part("erasure.done"))
        return replace(turn, erases=True)
    if not is_no(context.message.text):
        return None
    return _turn_with_question_after_notice(context, Part("erasure.not_done"))


def _turn_with_question_after_notice(context: Context, *reply: Part) -> Turn:
    """A turn with this reply, and with the pending question unless the notice has to come before it."""
    if context.notice_is_owed:
        return context.turn(TurnResult.COMMAND, *reply)
    return context.turn_and_question(TurnResult.COMMAND, *reply)


def _answers(context: Context) -> Reply:
    """The answers of this session, unless the summary below shows them."""
    is_summary_next = context.step is OnboardingStep.CONFIRMATION and not context.session.choosing
    return () if is_summary_next else answers_so_far(context.session)


def _earlier_answers(context: Context) -> Reply:
    """A finished sign-up, and how many unfinished answers there are; the latter are shown only after a 1.

    The phone may have another owner by now.
    """
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
    parts = (
        (Part("own_data.service", {"at": _day(service.at)}) if service else None),
        (Part("own_data.news", {"at": _day(news.at)}) if news else None),
        (Part("own_data.news_ended", {"at": _day(contact.news_ended.at)}) if contact.news_ended else None),
        (Part("own_data.opt_out", {"at": _day(contact.opt_out.at)}) if contact.opt_out else None),
    )
    return tuple(part for part in parts if part)


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
    """The day in India, as people there write it: 22-11-2026."""
    return f"{moment.astimezone(INDIA):%d-%m-%Y}"
