"""What each command does; every one of them works in every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from onboarding_bot.conversation import otp
from onboarding_bot.conversation.commands import Command
from onboarding_bot.conversation.contact import NEWS, Consent, Contact, OptOut
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.flow import QUESTIONS, step_before
from onboarding_bot.conversation.own_data import ask_before_erasing, show_own_data
from onboarding_bot.conversation.questions import answers_so_far, status
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import OnboardingStep, OtpPurpose
from onboarding_bot.conversation.turn import Milestone, OptOutType, Turn, TurnResult

# Changes when the line that offers UPDATES says something else.
NEWS_WORDING = "updates-2026-11"


def follow(command: Command, context: Context) -> Turn:
    """The turn of a message that is a command."""
    return _RULES[command](context)


def opted_out(context: Context) -> Turn:
    """Write down the no to messages that nobody asked for; the sign-up can go on."""
    if context.contact.opt_out:
        return context.turn_and_question(TurnResult.COMMAND, Part("stop.already"))
    consents = {purpose: consent for purpose, consent in context.contact.consents.items() if purpose != NEWS}
    contact = replace(context.contact, opt_out=OptOut(context.now, context.message.sid), consents=consents)
    return context.turn_and_question(TurnResult.COMMAND, Part("stop.done"), contact=contact)


def without_news(context: Context) -> Turn:
    """End news, and nothing else; that somebody wants none is written down even where none were on."""
    consents = {purpose: consent for purpose, consent in context.contact.consents.items() if purpose != NEWS}
    contact = replace(context.contact, consents=consents, news_ended=OptOut(context.now, context.message.sid))
    told = Part("stop.already") if contact.opt_out else Part("updates.off")
    return context.turn_and_question(TurnResult.COMMAND, told, contact=contact)


def heard_by_twilio(context: Context) -> Turn:
    """A word that Twilio's Advanced Opt-Out has answered: written down, and not answered a second time."""
    match context.message.opt_out:
        case OptOutType.STOP if context.contact.opt_out is None:
            return replace(opted_out(context), reply=())
        case OptOutType.START:
            return context.turn(TurnResult.COMMAND, contact=_asking_for_messages(context))
        case _:
            return context.turn(TurnResult.COMMAND)


def start_over(context: Context) -> Turn:
    """Discard the answers at once. Somebody registered begins a new sign-up; anybody else is still in the first."""
    turn = context.turn_and_question(
        TurnResult.COMMAND,
        Part("restart.done"),
        contact=replace(context.contact, draft=None),
        current_step=OnboardingStep.NAME,
        data={},
        choosing=False,
        changing=False,
        wrong_answers=0,
        voice_notes=0,
        intention=None,
        spare_reservation=None,
        handoff_id=None,
        doubtful_name=None,
        confirmed_name=None,
    )
    begins_anew = context.step is OnboardingStep.COMPLETED
    return replace(turn, milestones=frozenset({Milestone.STARTED})) if begins_anew else turn


def _hello(context: Context) -> Turn:
    if context.step is OnboardingStep.WELCOME:
        return context.turn(TurnResult.GREETED, *context.question())
    is_asking = context.step in QUESTIONS
    known = answers_so_far(context.session) if is_asking else ()
    return context.turn(TurnResult.GREETED, Part("hello.back"), *known, *context.question())


def _start(context: Context) -> Turn:
    contact = _asking_for_messages(context)
    if not context.contact.opt_out:
        return replace(_hello(context), contact=contact)
    return context.turn_and_question(TurnResult.COMMAND, Part("start.messages_on"), contact=contact)


def _asking_for_messages(context: Context) -> Contact:
    """START and UPDATES alone take back a STOP, and what Twilio said of this number."""
    return replace(context.contact, opt_out=None, asked_for_messages_at=context.now)


def _updates(context: Context) -> Turn:
    """The recorded yes to news; it takes an earlier STOP back."""
    consent = Consent(context.now, context.message.sid, NEWS_WORDING)
    consents = {**context.contact.consents, NEWS: consent}
    contact = replace(_asking_for_messages(context), consents=consents, news_ended=None)
    return context.turn_and_question(TurnResult.COMMAND, Part("updates.on"), contact=contact)


def _back(context: Context) -> Turn:
    if context.otp_is_being_requested:
        return context.turn(TurnResult.COMMAND, Part("otp.in_progress"))
    if context.session.changing or context.session.choosing:
        return context.turn_and_question(
            TurnResult.COMMAND,
            current_step=OnboardingStep.CONFIRMATION,
            choosing=False,
            changing=False,
            doubtful_name=None,
        )
    if context.session.doubtful_name:
        return context.turn_and_question(TurnResult.COMMAND, doubtful_name=None)
    if context.step in {OnboardingStep.WELCOME, OnboardingStep.COMPLETED}:
        return context.turn(TurnResult.COMMAND, *context.question())
    before = step_before(context.step)
    if before is None:
        return context.turn_and_question(TurnResult.COMMAND, Part("back.first"))
    return context.turn_and_question(TurnResult.COMMAND, Part("back.done"), current_step=before, wrong_answers=0)


def _status(context: Context) -> Turn:
    return context.turn(TurnResult.COMMAND, *status(context.session, context.message.sender))


def _log_in(context: Context) -> Turn:
    if context.step is OnboardingStep.COMPLETED:
        return otp.ask_for_otp(context, OtpPurpose.LOGIN)
    return context.turn_and_question(TurnResult.COMMAND, Part("login.not_yet"))


def _says(code: str) -> Callable[[Context], Turn]:
    def rule(context: Context) -> Turn:
        return context.turn_and_question(TurnResult.COMMAND, Part(code))

    return rule


def _speaks(language: str) -> Callable[[Context], Turn]:
    def rule(context: Context) -> Turn:
        contact = replace(context.contact, language=language)
        return context.turn_and_question(TurnResult.COMMAND, Part("language.changed"), contact=contact)

    return rule


_RULES: Mapping[Command, Callable[[Context], Turn]] = {
    Command.HELLO: _hello,
    Command.START: _start,
    Command.HELP: _says("help"),
    Command.RESTART: start_over,
    Command.BACK: _back,
    Command.STATUS: _status,
    Command.SUPPORT: _says("support"),
    Command.PRIVACY: _says("privacy"),
    Command.MY_DATA: show_own_data,
    Command.DELETE_MY_DATA: ask_before_erasing,
    Command.STOP: opted_out,
    Command.UPDATES: _updates,
    Command.STOP_UPDATES: without_news,
    Command.LOGIN: _log_in,
    Command.RESEND: _log_in,
    Command.LANGUAGE: _says("language.choice"),
    Command.ENGLISH: _speaks("en"),
    Command.HINDI: _speaks("hi"),
}
