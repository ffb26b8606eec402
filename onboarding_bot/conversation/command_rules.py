"""The rule of each command, and what it does in one line for the documents; every command works in every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from onboarding_bot.conversation import otp
from onboarding_bot.conversation.commands import LANGUAGE_COMMANDS, Command, language_name
from onboarding_bot.conversation.consent import (
    record_news_consent,
    record_news_opt_out,
    record_opt_out,
    without_opt_out,
)
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.own_data import answer_my_data, ask_whether_to_erase
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import WITHOUT_ANSWERS, OnboardingStep, OtpPurpose
from onboarding_bot.conversation.sign_up import QUESTIONS, answers_so_far, step_before
from onboarding_bot.conversation.turn import Milestone, Turn, TurnResult


def run_command(command: Command, context: Context) -> Turn:
    """The turn of a message that is a command."""
    return COMMAND_RULES[command].rule(context)


def start_over(context: Context) -> Turn:
    """The turn of RESTART: discard the answers at once.

    For a registered person a new sign-up begins; all others are still in the first one.
    """
    turn = context.turn_and_question(
        TurnResult.COMMAND,
        Part("restart.done"),
        contact=replace(context.contact, draft=None),
        current_step=OnboardingStep.NAME,
        **WITHOUT_ANSWERS,
    )
    begins_anew = context.step is OnboardingStep.COMPLETED
    return replace(turn, milestones=frozenset({Milestone.STARTED})) if begins_anew else turn


def _hello(context: Context) -> Turn:
    if context.step is OnboardingStep.WELCOME:
        return context.turn(TurnResult.GREETED, *context.question())
    answers = answers_so_far(context.session) if context.step in QUESTIONS else ()
    return context.turn(TurnResult.GREETED, Part("hello.back"), *answers, *context.question())


def _start(context: Context) -> Turn:
    contact = without_opt_out(context)
    if not context.contact.opt_out:
        return replace(_hello(context), contact=contact)
    return context.turn_and_question(TurnResult.COMMAND, Part("start.messages_on"), contact=contact)


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
    """The answers so far and the pending question; the summary shows the answers itself."""
    is_summary = context.step is OnboardingStep.CONFIRMATION and not context.session.choosing
    if is_summary:
        return context.turn(TurnResult.COMMAND, *context.question())
    answers = answers_so_far(context.session)
    head = Part("status.known") if answers else Part("status.nothing")
    return context.turn_and_question(TurnResult.COMMAND, head, *answers)


def _log_in(context: Context) -> Turn:
    if context.step is OnboardingStep.COMPLETED:
        return otp.request_otp(context, OtpPurpose.LOGIN)
    return context.turn_and_question(TurnResult.COMMAND, Part("login.not_yet"))


def _reply_with(code: str) -> Callable[[Context], Turn]:
    def rule(context: Context) -> Turn:
        return context.turn_and_question(TurnResult.COMMAND, Part(code))

    return rule


def _switch_language(language: str) -> Callable[[Context], Turn]:
    def rule(context: Context) -> Turn:
        contact = replace(context.contact, language=language)
        return context.turn_and_question(TurnResult.COMMAND, Part("language.changed"), contact=contact)

    return rule


@dataclass(frozen=True, slots=True)
class CommandRule:
    """The rule of a command: a turn for each context; ``does`` says for docs/conversation.md what it does."""

    rule: Callable[[Context], Turn]
    does: str


COMMAND_RULES: Mapping[Command, CommandRule] = {
    Command.HELLO: CommandRule(
        _hello, "greets; in the middle of a sign-up: what is known already, and the pending question"
    ),
    Command.START: CommandRule(_start, "switches messages on again after STOP; otherwise as HELLO"),
    Command.HELP: CommandRule(_reply_with("help"), "what the bot does, and these words"),
    Command.RESTART: CommandRule(
        start_over, "discards the answers and starts over at once; the only command that discards anything"
    ),
    Command.BACK: CommandRule(_back, "the question before, with its old answer kept until a new one comes"),
    Command.STATUS: CommandRule(_status, "the answers so far, and the pending question"),
    Command.SUPPORT: CommandRule(_reply_with("support"), "the people to talk to (`SUPPORT_CONTACT`)"),
    Command.PRIVACY: CommandRule(_reply_with("privacy"), "what is kept, why, for how long, and which rights there are"),
    Command.MY_DATA: CommandRule(answer_my_data, "what is kept of the person, and until when"),
    Command.DELETE_MY_DATA: CommandRule(
        ask_whether_to_erase, "asks once; a yes within 15 minutes, as the next message, erases everything at once"
    ),
    Command.STOP: CommandRule(record_opt_out, "writes the opt-out down; the sign-up can go on"),
    Command.UPDATES: CommandRule(
        record_news_consent, "a recorded yes to news of fairs and buyers; it takes an earlier STOP back"
    ),
    Command.STOP_UPDATES: CommandRule(
        record_news_opt_out, "ends news, and nothing else; written down even where none were on"
    ),
    Command.LOGIN: CommandRule(_log_in, "once registered: a new OTP and a fresh link"),
    Command.RESEND: CommandRule(_log_in, "the same as LOGIN"),
    Command.LANGUAGE: CommandRule(_reply_with("language.choice"), "how to choose a language"),
    **{
        command: CommandRule(_switch_language(language), f"goes on in {language_name(language)}")
        for language, command in LANGUAGE_COMMANDS.items()
    },
}
