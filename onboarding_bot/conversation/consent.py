"""Consent: opt-outs, and the consents to news and to service messages, as people give them and take them back."""

from __future__ import annotations

from dataclasses import replace

from onboarding_bot.conversation.commands import Command, find_command
from onboarding_bot.conversation.contact import NEWS, SERVICE, Consent, Contact, OptOut
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.intents import OPT_OUT_REFUSALS, refusal_in
from onboarding_bot.conversation.names import Verdict, read_name
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import UserSession
from onboarding_bot.conversation.turn import OptOutType, Turn, TurnResult

# Changes when the line that offers UPDATES says something else.
NEWS_TEXT_VERSION = "updates-2026-11"
CONSENT_COMMANDS = frozenset({Command.STOP, Command.START, Command.UPDATES, Command.STOP_UPDATES})


def consent_command_in(text: str) -> Command | None:
    """The command that changes a consent, if ``text`` is one; a refusal that opts out is a STOP."""
    command = find_command(text)
    if command is None and refusal_in(text) in OPT_OUT_REFUSALS:
        return Command.STOP
    return command if command in CONSENT_COMMANDS else None


def record_opt_out(context: Context) -> Turn:
    """The turn of STOP: no message but replies from now on, and no consent to news; the sign-up can go on."""
    if context.contact.opt_out:
        return context.turn_and_question(TurnResult.COMMAND, Part("stop.already"))
    opt_out = OptOut(context.now, context.message.sid)
    contact = replace(without_news_consent(context.contact), opt_out=opt_out)
    return context.turn_and_question(TurnResult.COMMAND, Part("stop.done"), contact=contact)


def record_news_opt_out(context: Context) -> Turn:
    """The turn of STOP UPDATES: no news, recorded even where there was no consent to news."""
    news_ended = OptOut(context.now, context.message.sid)
    contact = replace(without_news_consent(context.contact), news_ended=news_ended)
    told = Part("stop.already") if contact.opt_out else Part("updates.off")
    return context.turn_and_question(TurnResult.COMMAND, told, contact=contact)


def record_news_consent(context: Context) -> Turn:
    """The turn of UPDATES: the consent to news, which takes back an earlier STOP."""
    consent = Consent(context.now, context.message.sid, NEWS_TEXT_VERSION)
    consents = {**context.contact.consents, NEWS: consent}
    contact = replace(without_opt_out(context), consents=consents, news_ended=None)
    return context.turn_and_question(TurnResult.COMMAND, Part("updates.on"), contact=contact)


def record_advanced_opt_out(context: Context) -> Turn:
    """The turn of a keyword that Twilio's Advanced Opt-Out has answered: recorded, with no reply of our own."""
    match context.message.opt_out:
        case OptOutType.STOP if context.contact.opt_out is None:
            return replace(record_opt_out(context), reply=())
        case OptOutType.START:
            return context.turn(TurnResult.COMMAND, contact=without_opt_out(context))
        case _:
            return context.turn(TurnResult.COMMAND)


def with_opt_out(contact: Contact | None, opt_out: OptOut) -> Contact:
    """The contact with this opt-out, if it has none yet; a contact with nothing else where none is stored."""
    known = contact or Contact("", None, opt_out.at, opt_out.at)
    return replace(known, opt_out=known.opt_out or opt_out)


def without_opt_out(context: Context) -> Contact:
    """The contact after START or UPDATES, which alone take back a STOP and a suppression by Twilio."""
    return replace(context.contact, opt_out=None, asked_for_messages_at=context.now)


def without_news_consent(contact: Contact) -> Contact:
    """The contact without its consent to news."""
    return replace(contact, consents={purpose: given for purpose, given in contact.consents.items() if purpose != NEWS})


def with_service_consent(context: Context) -> Contact:
    """The contact after a name in answer to the notice, which consents to messages about the person's own sign-up.

    Source: Meta's WhatsApp Business policy, opt-in by an answer within the conversation.
    """
    contact = context.contact
    known = contact.consents.get(SERVICE)
    if contact.notice_version is None or (known and known.text_version == contact.notice_version):
        return contact
    consent = Consent(context.now, context.message.sid, contact.notice_version)
    return replace(contact, consents={**contact.consents, SERVICE: consent})


def stored_name(session: UserSession | None, contact: Contact) -> str | None:
    """The name that is stored of a person: of this sign-up, of an unfinished one, or of a finished one."""
    places = (session.data if session else {}, contact.draft.data if contact.draft else {}, contact.registration)
    return next((place["name"] for place in places if "name" in place), None)


def service_consent_holds(session: UserSession | None, contact: Contact) -> bool:
    """Whether there is a consent to service messages, and no stored name that today's rule would refuse.

    With a doubtful name it holds when the person confirmed the name: when asked, or with the summary of a sign-up.
    """
    if SERVICE not in contact.consents:
        return False
    name = stored_name(session, contact)
    if name is None:
        return True
    match read_name(name).verdict:
        case Verdict.NAME:
            return True
        case Verdict.DOUBTFUL:
            return name in {session.confirmed_name if session else None, contact.registration.get("name")}
        case Verdict.NONE:
            return False
