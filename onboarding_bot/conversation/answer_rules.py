"""The rules of answers in each step: an answer is accepted, refused with a reason, or read as a choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from onboarding_bot.conversation import otp
from onboarding_bot.conversation.choices import chosen_line
from onboarding_bot.conversation.command_rules import start_over
from onboarding_bot.conversation.commands import (
    NO,
    POLITENESS,
    THANKS,
    YES,
    Command,
    find_command,
    is_continue,
    is_no,
    is_yes,
)
from onboarding_bot.conversation.consent import with_service_consent
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.intents import Refusal, is_question, refusal_in
from onboarding_bot.conversation.names import Verdict, read_name
from onboarding_bot.conversation.phrases import Phrases
from onboarding_bot.conversation.refusals import answer_refusal
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import OnboardingStep, OtpPurpose
from onboarding_bot.conversation.sign_up import QUESTIONS, SIGN_UP, Question, answers_so_far, first_unanswered
from onboarding_bot.conversation.text_normalization import lowercase_words
from onboarding_bot.conversation.turn import MessageKind, Turn, TurnResult
from onboarding_bot.conversation.validators import InvalidInput, indian_mobile
from onboarding_bot.languages.lexicon import spellings

SUPPORT_AFTER_WRONG_ANSWERS = 3
SUPPORT_AFTER_VOICE_NOTES = 2
CONTINUE, START_OVER = 1, 2
OWN_NUMBER = 1
_OWN, _CHANGE, _FILLER = "own", "change", "filler"
_OWN_NUMBER = Phrases({_OWN: spellings("phone", "own"), _FILLER: (*YES, *POLITENESS, *THANKS)})
_CHANGE_WORDS = (*spellings("choices", "change"), *NO)
_FIELD_FILLERS = (*spellings("choices", "around_a_field"), *POLITENESS, *THANKS)
_FIELDS = Phrases(
    {
        **{question.field: (question.field, *spellings("fields", question.field)) for question in SIGN_UP},
        _CHANGE: _CHANGE_WORDS,
        _FILLER: _FIELD_FILLERS,
    }
)
_CHANGE_FILLERS = Phrases({_FILLER: (*_CHANGE_WORDS, *_FIELD_FILLERS)})


def take_answer(context: Context) -> Turn:
    """The turn of a text that is no command."""
    if refused := answer_refusal(context):
        return refused
    if context.otp_is_being_requested:
        return context.turn(TurnResult.COMMAND, Part("otp.in_progress"))
    return _RULES.get(context.step, _collect)(context)


def understands(context: Context) -> bool:
    """Whether the message answers the question of this step; of the name question only a yes or a no counts here."""
    text = context.message.text
    match context.step:
        case OnboardingStep.WELCOME:
            return chosen_line(text, _continue_line) in {CONTINUE, START_OVER}
        case OnboardingStep.CONFIRMATION:
            number = chosen_line(text, _field_line, _CHANGE_FILLERS) if context.session.choosing else None
            return is_yes(text) or is_no(text) or number is not None
        case OnboardingStep.NAME:
            return is_yes(text) or is_no(text)
        case OnboardingStep.COMPLETED:
            return False
    question = QUESTIONS[context.step]
    try:
        question.validate(_answer_text(question, context))
    except InvalidInput:
        return False
    return True


def decline_media(context: Context) -> Turn:
    """The turn of a message that is no text; the second voice note in a row shows the people to call."""
    is_voice = context.message.kind is MessageKind.VOICE
    voice_notes = context.session.voice_notes + 1 if is_voice else 0
    parts = [Part(f"media.{context.message.kind}")]
    if voice_notes >= SUPPORT_AFTER_VOICE_NOTES:
        parts.append(Part("support"))
    return context.turn_and_question(TurnResult.NO_TEXT, *parts, voice_notes=voice_notes)


def _collect(context: Context) -> Turn:
    question = QUESTIONS[context.step]
    doubtful_name = context.session.doubtful_name
    if doubtful_name and (turn := _answer_doubt(context, doubtful_name)):
        return turn
    try:
        value = question.validate(_answer_text(question, context))
    except InvalidInput as fault:
        if is_question(context.message.text):
            return _refer_to_people(context)
        context = replace(context, session=replace(context.session, doubtful_name=None))
        if question.step is OnboardingStep.NAME and is_no(context.message.text):
            return _reject(context, Part("name.declined"))
        again = context.question() if question.asks_again else ()
        return _reject(context, Part(fault.code, fault.values), *again)
    if question.step is OnboardingStep.NAME and read_name(value).verdict is not Verdict.NAME:
        return _ask_about_name(context, value)
    return _accept(context, question, value)


def _answer_doubt(context: Context, name: str) -> Turn | None:
    """The turn of a yes or a no to "Is … your name?"; any other text is a new answer."""
    if _chooses(context.message.text, "1", is_yes):
        session = replace(context.session, confirmed_name=name)
        return _accept(replace(context, session=session), QUESTIONS[OnboardingStep.NAME], name)
    if _chooses(context.message.text, "2", is_no):
        return context.turn_and_question(TurnResult.REJECTED, doubtful_name=None)
    return None


def _chooses(text: str, number: str, says: Callable[[str], bool]) -> bool:
    """Whether the text is the number of the choice, its word, or both: "1", "yes", "1. Yes"."""
    first, _, rest = lowercase_words(text).partition(" ")
    return says(text) or (first == number and (not rest or says(rest)))


def _ask_about_name(context: Context, name: str) -> Turn:
    """Ask whether this is the name, before anything is stored or counts as a consent."""
    turn = context.turn_and_question(TurnResult.REJECTED, doubtful_name=name)
    return replace(turn, fault="name.doubtful")


def _refer_to_people(context: Context) -> Turn:
    """The turn of a question that fits no answer: the people to call."""
    return context.turn_and_question(TurnResult.COMMAND, Part("support"))


def _accept(context: Context, question: Question, value: str) -> Turn:
    data = {**context.session.data, question.field: value}
    session = context.session
    if data != session.data:
        session = replace(otp.drop_intention(session, context.contact), data=data)
    next_step = first_unanswered(data)
    # The summary shows every answer itself.
    accepted = Part(f"{question.field}.accepted", {question.field: question.show(value)})
    return replace(context, session=session).turn_and_question(
        TurnResult.ACCEPTED,
        *([accepted] if next_step in QUESTIONS else []),
        contact=with_service_consent(context) if _answers_notice(context, question) else context.contact,
        current_step=next_step,
        changing=False,
        wrong_answers=0,
        doubtful_name=None,
    )


def _answer_text(question: Question, context: Context) -> str:
    """The text of the answer, or the sender's own number where the question offered "1" for it."""
    text = context.message.text
    own = indian_mobile(context.message.sender) if question.offers_own_number else None
    return own if own and chosen_line(text, _own_number_line) == OWN_NUMBER else text


def _own_number_line(text: str) -> int | None:
    """The line of the question that the words name: "same", "this number" or a yes."""
    is_own = _OWN in (_OWN_NUMBER.kinds(lowercase_words(text).split()) or ())
    return OWN_NUMBER if is_own or is_yes(text) else None


def _answers_notice(context: Context, question: Question) -> bool:
    """Whether this answer follows the notice, and so is a consent: only the first name does, no later answer."""
    before = context.session.data.get("name")
    return question.step is OnboardingStep.NAME and (before is None or read_name(before).verdict is Verdict.NONE)


def _reject(context: Context, reason: Part, *parts: Part) -> Turn:
    wrong_answers = context.session.wrong_answers + 1
    support = (Part("support"),) if wrong_answers >= SUPPORT_AFTER_WRONG_ANSWERS else ()
    turn = context.turn(TurnResult.REJECTED, reason, *parts, *support, wrong_answers=wrong_answers)
    return replace(turn, fault=reason.code)


def _continue_or_start_over(context: Context) -> Turn:
    choice = chosen_line(context.message.text, _continue_line)
    draft = context.contact.draft
    if choice == START_OVER or draft is None:
        return start_over(context)
    if choice != CONTINUE:
        return _refer_to_people(context) if is_question(context.message.text) else _reject(context, *context.question())
    data = _without_refused_name(draft.data)
    step = first_unanswered(data)
    session = replace(context.session, current_step=step, data=data, wrong_answers=0)
    known = () if step is OnboardingStep.CONFIRMATION else answers_so_far(session)
    return replace(context, session=session).turn_and_question(TurnResult.ACCEPTED, Part("draft.continued"), *known)


def _continue_line(text: str) -> int | None:
    if is_continue(text) or is_yes(text):
        return CONTINUE
    return START_OVER if is_no(text) or find_command(text) is Command.RESTART else None


def _without_refused_name(data: Mapping[str, str]) -> dict[str, str]:
    """The answers without a refusal that an earlier release took for the name."""
    return {
        field: value for field, value in data.items() if field != "name" or read_name(value).verdict is not Verdict.NONE
    }


def _confirm(context: Context) -> Turn:
    if is_yes(context.message.text):
        return otp.request_otp(replace(context, session=replace(context.session, choosing=False)), OtpPurpose.SIGN_UP)
    if context.session.choosing:
        return _choose_field(context)
    if number := _field_line(context.message.text, is_asked=False):
        return _change(SIGN_UP[number - 1], context)
    # "Wrong number" speaks of the number in the summary.
    if is_no(context.message.text) or refusal_in(context.message.text) is Refusal.WRONG_NUMBER:
        return context.turn_and_question(TurnResult.ACCEPTED, choosing=True, wrong_answers=0)
    if is_question(context.message.text):
        return _refer_to_people(context)
    return _reject(context, Part("confirmation.unclear"))


def _choose_field(context: Context) -> Turn:
    number = chosen_line(context.message.text, _field_line, _CHANGE_FILLERS)
    if number is None or not 1 <= number <= len(SIGN_UP):
        return (
            _refer_to_people(context) if is_question(context.message.text) else _reject(context, Part("change.unclear"))
        )
    return _change(SIGN_UP[number - 1], context)


def _field_line(text: str, *, is_asked: bool = True) -> int | None:
    """The line of the one answer that ``text`` names; before the question which one, only with a word for a change."""
    kinds = _FIELDS.kinds(lowercase_words(text).split()) or ()
    named = [number for number, question in enumerate(SIGN_UP, start=1) if question.field in kinds]
    return named[0] if len(named) == 1 and (is_asked or _CHANGE in kinds) else None


def _change(question: Question, context: Context) -> Turn:
    return context.turn_and_question(
        TurnResult.ACCEPTED, current_step=question.step, choosing=False, changing=True, wrong_answers=0
    )


def _answer_after_sign_up(context: Context) -> Turn:
    if is_question(context.message.text):
        return _refer_to_people(context)
    return context.turn(TurnResult.GREETED, *context.question())


_RULES: Mapping[OnboardingStep, Callable[[Context], Turn]] = {
    OnboardingStep.WELCOME: _continue_or_start_over,
    OnboardingStep.CONFIRMATION: _confirm,
    OnboardingStep.COMPLETED: _answer_after_sign_up,
}
