"""What each command does; every one of them works in every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from onboarding_bot.conversation import otp
from onboarding_bot.conversation.commands import Command
from onboarding_bot.conversation.contact import NEWS, Consent, Contact, OptOut
from onboarding_bot.conversation.flow import QUESTIONS, step_before
from onboarding_bot.conversation.own_data import ask_before_erasing, show_own_data
from onboarding_bot.conversation.questions import answers_so_far, status
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.scene import Scene
from onboarding_bot.conversation.session import OnboardingStep, OtpPurpose
from onboarding_bot.conversation.turn import Milestone, OptOutType, Turn, TurnResult

# Changes when the line that offers UPDATES says something else.
NEWS_WORDING = "updates-2026-11"


def follow(command: Command, scene: Scene) -> Turn:
    """The turn of a message that is a command."""
    return _RULES[command](scene)


def opted_out(scene: Scene) -> Turn:
    """Write down the no to messages that nobody asked for; the sign-up can go on."""
    if scene.contact.opt_out:
        return scene.turn_and_question(TurnResult.COMMAND, Part("stop.already"))
    consents = {purpose: consent for purpose, consent in scene.contact.consents.items() if purpose != NEWS}
    contact = replace(scene.contact, opt_out=OptOut(scene.now, scene.message.sid), consents=consents)
    return scene.turn_and_question(TurnResult.COMMAND, Part("stop.done"), contact=contact)


def without_news(scene: Scene) -> Turn:
    """End news, and nothing else; that somebody wants none is written down even where none were on."""
    consents = {purpose: consent for purpose, consent in scene.contact.consents.items() if purpose != NEWS}
    contact = replace(scene.contact, consents=consents, news_ended=OptOut(scene.now, scene.message.sid))
    told = Part("stop.already") if contact.opt_out else Part("updates.off")
    return scene.turn_and_question(TurnResult.COMMAND, told, contact=contact)


def heard_by_twilio(scene: Scene) -> Turn:
    """A word that Twilio's Advanced Opt-Out has answered: written down, and not answered a second time."""
    match scene.message.opt_out:
        case OptOutType.STOP if scene.contact.opt_out is None:
            return replace(opted_out(scene), reply=())
        case OptOutType.START:
            return scene.turn(TurnResult.COMMAND, contact=_asking_for_messages(scene))
        case _:
            return scene.turn(TurnResult.COMMAND)


def start_over(scene: Scene) -> Turn:
    """Discard the answers at once. Somebody registered begins a new sign-up; anybody else is still in the first."""
    turn = scene.turn_and_question(
        TurnResult.COMMAND,
        Part("restart.done"),
        contact=replace(scene.contact, draft=None),
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
    begins_anew = scene.step is OnboardingStep.COMPLETED
    return replace(turn, milestones=frozenset({Milestone.STARTED})) if begins_anew else turn


def _hello(scene: Scene) -> Turn:
    if scene.step is OnboardingStep.WELCOME:
        return scene.turn(TurnResult.GREETED, *scene.question())
    is_asking = scene.step in QUESTIONS
    known = answers_so_far(scene.session) if is_asking else ()
    return scene.turn(TurnResult.GREETED, Part("hello.back"), *known, *scene.question())


def _start(scene: Scene) -> Turn:
    contact = _asking_for_messages(scene)
    if not scene.contact.opt_out:
        return replace(_hello(scene), contact=contact)
    return scene.turn_and_question(TurnResult.COMMAND, Part("start.messages_on"), contact=contact)


def _asking_for_messages(scene: Scene) -> Contact:
    """START and UPDATES alone take back a STOP, and what Twilio said of this number."""
    return replace(scene.contact, opt_out=None, asked_for_messages_at=scene.now)


def _updates(scene: Scene) -> Turn:
    """The recorded yes to news; it takes an earlier STOP back."""
    consent = Consent(scene.now, scene.message.sid, NEWS_WORDING)
    consents = {**scene.contact.consents, NEWS: consent}
    contact = replace(_asking_for_messages(scene), consents=consents, news_ended=None)
    return scene.turn_and_question(TurnResult.COMMAND, Part("updates.on"), contact=contact)


def _back(scene: Scene) -> Turn:
    if scene.otp_is_being_requested:
        return scene.turn(TurnResult.COMMAND, Part("otp.in_progress"))
    if scene.session.changing or scene.session.choosing:
        return scene.turn_and_question(
            TurnResult.COMMAND,
            current_step=OnboardingStep.CONFIRMATION,
            choosing=False,
            changing=False,
            doubtful_name=None,
        )
    if scene.session.doubtful_name:
        return scene.turn_and_question(TurnResult.COMMAND, doubtful_name=None)
    if scene.step in {OnboardingStep.WELCOME, OnboardingStep.COMPLETED}:
        return scene.turn(TurnResult.COMMAND, *scene.question())
    before = step_before(scene.step)
    if before is None:
        return scene.turn_and_question(TurnResult.COMMAND, Part("back.first"))
    return scene.turn_and_question(TurnResult.COMMAND, Part("back.done"), current_step=before, wrong_answers=0)


def _status(scene: Scene) -> Turn:
    return scene.turn(TurnResult.COMMAND, *status(scene.session, scene.message.sender))


def _log_in(scene: Scene) -> Turn:
    if scene.step is OnboardingStep.COMPLETED:
        return otp.ask_for_otp(scene, OtpPurpose.LOGIN)
    return scene.turn_and_question(TurnResult.COMMAND, Part("login.not_yet"))


def _says(code: str) -> Callable[[Scene], Turn]:
    def rule(scene: Scene) -> Turn:
        return scene.turn_and_question(TurnResult.COMMAND, Part(code))

    return rule


def _speaks(language: str) -> Callable[[Scene], Turn]:
    def rule(scene: Scene) -> Turn:
        contact = replace(scene.contact, language=language)
        return scene.turn_and_question(TurnResult.COMMAND, Part("language.changed"), contact=contact)

    return rule


_RULES: Mapping[Command, Callable[[Scene], Turn]] = {
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
