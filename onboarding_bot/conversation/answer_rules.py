"""What an answer does in each step: taken, refused with a reason, or understood as a choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from onboarding_bot.conversation import otp
from onboarding_bot.conversation.choices import chosen
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
from onboarding_bot.conversation.contact import SERVICE, Consent, Contact
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.flow import FLOW, QUESTIONS, Question, first_unanswered, shown_answer
from onboarding_bot.conversation.intents import Refusal, is_question, refusal_in
from onboarding_bot.conversation.names import Verdict, read_name
from onboarding_bot.conversation.phrases import Phrases
from onboarding_bot.conversation.questions import answers_so_far
from onboarding_bot.conversation.refusals import obey_refusal
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import OnboardingStep, OtpPurpose
from onboarding_bot.conversation.text_normalization import words
from onboarding_bot.conversation.turn import MessageKind, Turn, TurnResult
from onboarding_bot.conversation.validators import InvalidInput, indian_mobile
from onboarding_bot.languages.lexicon import spellings

SUPPORT_AFTER_WRONG_ANSWERS = 3
SUPPORT_AFTER_VOICE_NOTES = 2
CONTINUE, START_OVER = 1, 2
OWN_NUMBER = 1
_OWN, _CHANGE, _AROUND = "own", "change", "around"
_OWN_NUMBER = Phrases({_OWN: spellings("phone", "own"), _AROUND: (*YES, *POLITENESS, *THANKS)})
_CHANGE_WORDS = (*spellings("choices", "change"), *NO)
_AROUND_A_FIELD = (*spellings("choices", "around_a_field"), *POLITENESS, *THANKS)
_FIELDS = Phrases(
    {
        **{question.field: (question.field, *spellings("fields", question.field)) for question in FLOW},
        _CHANGE: _CHANGE_WORDS,
        _AROUND: _AROUND_A_FIELD,
    }
)
_AROUND_A_CHANGE = Phrases({_AROUND: (*_CHANGE_WORDS, *_AROUND_A_FIELD)})


def take_answer(context: Context) -> Turn:
    """The turn of a text that is no command."""
    if refused := obey_refusal(context):
        return refused
    if context.otp_is_being_requested:
        return context.turn(TurnResult.COMMAND, Part("otp.in_progress"))
    return _RULES.get(context.step, _collect)(context)


def understands(context: Context) -> bool:
    """Whether the message answers what is asked in this step; of a name nobody can tell."""
    text = context.message.text
    match context.step:
        case OnboardingStep.WELCOME:
            return chosen(text, _continue_or_not) in {CONTINUE, START_OVER}
        case OnboardingStep.CONFIRMATION:
            number = chosen(text, _field_to_change, _AROUND_A_CHANGE) if context.session.choosing else None
            return is_yes(text) or is_no(text) or number is not None
        case OnboardingStep.NAME:
            return is_yes(text) or is_no(text)
        case OnboardingStep.COMPLETED:
            return False
    question = QUESTIONS[context.step]
    try:
        question.validate(_meant(question, context))
    except InvalidInput:
        return False
    return True


def decline_media(context: Context) -> Turn:
    """A kind word for what cannot be read; who speaks twice in a row gets somebody to speak to."""
    is_voice = context.message.kind is MessageKind.VOICE
    voice_notes = context.session.voice_notes + 1 if is_voice else 0
    parts = [Part(f"media.{context.message.kind}")]
    if voice_notes >= SUPPORT_AFTER_VOICE_NOTES:
        parts.append(Part("support"))
    return context.turn_and_question(TurnResult.NO_TEXT, *parts, voice_notes=voice_notes)


def _collect(context: Context) -> Turn:
    question = QUESTIONS[context.step]
    if context.session.doubtful_name and (settled := _settle_doubt(context, context.session.doubtful_name)):
        return settled
    try:
        value = question.validate(_meant(question, context))
    except InvalidInput as fault:
        if is_question(context.message.text):
            return _refer_to_people(context)
        context = replace(context, session=replace(context.session, doubtful_name=None))
        if question.step is OnboardingStep.NAME and is_no(context.message.text):
            return _reject(context, Part("name.declined"))
        again = context.question() if question.asks_again else ()
        return _reject(context, Part(fault.code, fault.values), *again)
    if question.step is OnboardingStep.NAME and read_name(value).verdict is not Verdict.NAME:
        return _doubt(context, value)
    return _take(context, question, value)


def _settle_doubt(context: Context, name: str) -> Turn | None:
    """The turn of a yes or a no to "Is … your name?"; any other text is a new answer."""
    if _chooses(context.message.text, "1", is_yes):
        session = replace(context.session, confirmed_name=name)
        return _take(replace(context, session=session), QUESTIONS[OnboardingStep.NAME], name)
    if _chooses(context.message.text, "2", is_no):
        return context.turn_and_question(TurnResult.REJECTED, doubtful_name=None)
    return None


def _chooses(text: str, number: str, says: Callable[[str], bool]) -> bool:
    """Whether the text is the choice's number, its word, or both: "1", "yes", "1. Yes"."""
    first, _, rest = words(text).partition(" ")
    return says(text) or (first == number and (not rest or says(rest)))


def _doubt(context: Context, name: str) -> Turn:
    """Ask before anything is kept or counts as a yes."""
    turn = context.turn_and_question(TurnResult.REJECTED, doubtful_name=name)
    return replace(turn, fault="name.doubtful")


def _refer_to_people(context: Context) -> Turn:
    """The turn of a question that only people can answer."""
    return context.turn_and_question(TurnResult.COMMAND, Part("support"))


def _take(context: Context, question: Question, value: str) -> Turn:
    data = {**context.session.data, question.field: value}
    session = context.session
    if data != session.data:
        session = replace(otp.without_intention(session, context.contact), data=data)
    next_step = first_unanswered(data)
    # The summary names every answer anyway.
    named = Part(f"{question.field}.accepted", {question.field: shown_answer(question.field, value)})
    return replace(context, session=session).turn_and_question(
        TurnResult.ACCEPTED,
        *([named] if next_step in QUESTIONS else []),
        contact=_consenting(context) if _is_first_name(context, question) else context.contact,
        current_step=next_step,
        changing=False,
        wrong_answers=0,
        doubtful_name=None,
    )


def _meant(question: Question, context: Context) -> str:
    """The text, or the sender's own number where "1" was offered for it."""
    own = indian_mobile(context.message.sender) if question.offers_own_number else None
    return own if own and chosen(context.message.text, _own_number) == OWN_NUMBER else context.message.text


def _own_number(text: str) -> int | None:
    """The line of the question that "same", "this number" or a yes stands for."""
    is_own = _OWN in (_OWN_NUMBER.kinds(words(text).split()) or ())
    return OWN_NUMBER if is_own or is_yes(text) else None


def _is_first_name(context: Context, question: Question) -> bool:
    """Whether this answers the notice; a name that is corrected later, and any other answer, agrees to nothing."""
    before = context.session.data.get("name")
    return question.step is OnboardingStep.NAME and (before is None or read_name(before).verdict is Verdict.NONE)


def _consenting(context: Context) -> Contact:
    """Going on after the notice allows messages about this sign-up (Meta: an answer within the conversation)."""
    contact = context.contact
    known = contact.consents.get(SERVICE)
    if contact.notice_version is None or (known and known.wording == contact.notice_version):
        return contact
    consent = Consent(context.now, context.message.sid, contact.notice_version)
    return replace(contact, consents={**contact.consents, SERVICE: consent})


def _reject(context: Context, reason: Part, *parts: Part) -> Turn:
    wrong_answers = context.session.wrong_answers + 1
    support = (Part("support"),) if wrong_answers >= SUPPORT_AFTER_WRONG_ANSWERS else ()
    turn = context.turn(TurnResult.REJECTED, reason, *parts, *support, wrong_answers=wrong_answers)
    return replace(turn, fault=reason.code)


def _continue_or_start_over(context: Context) -> Turn:
    choice = chosen(context.message.text, _continue_or_not)
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


def _continue_or_not(text: str) -> int | None:
    if is_continue(text) or is_yes(text):
        return CONTINUE
    return START_OVER if is_no(text) or find_command(text) is Command.RESTART else None


def _without_refused_name(data: Mapping[str, str]) -> dict[str, str]:
    """An earlier release may have kept a refusal as the name."""
    return {
        field: value for field, value in data.items() if field != "name" or read_name(value).verdict is not Verdict.NONE
    }


def _confirm(context: Context) -> Turn:
    if is_yes(context.message.text):
        return otp.ask_for_otp(replace(context, session=replace(context.session, choosing=False)), OtpPurpose.SIGN_UP)
    if context.session.choosing:
        return _choose_what_to_change(context)
    if number := _field_to_change(context.message.text, is_asked=False):
        return _change(FLOW[number - 1], context)
    # The number in the summary may be the wrong one.
    if is_no(context.message.text) or refusal_in(context.message.text) is Refusal.WRONG_NUMBER:
        return context.turn_and_question(TurnResult.ACCEPTED, choosing=True, wrong_answers=0)
    if is_question(context.message.text):
        return _refer_to_people(context)
    return _reject(context, Part("confirmation.unclear"))


def _choose_what_to_change(context: Context) -> Turn:
    number = chosen(context.message.text, _field_to_change, _AROUND_A_CHANGE)
    if number is None or not 1 <= number <= len(FLOW):
        return (
            _refer_to_people(context) if is_question(context.message.text) else _reject(context, Part("change.unclear"))
        )
    return _change(FLOW[number - 1], context)


def _field_to_change(text: str, *, is_asked: bool = True) -> int | None:
    """The number of the one answer that ``text`` names; where nobody asked for it, it has to say that it is wrong."""
    kinds = _FIELDS.kinds(words(text).split()) or ()
    named = [number for number, question in enumerate(FLOW, start=1) if question.field in kinds]
    return named[0] if len(named) == 1 and (is_asked or _CHANGE in kinds) else None


def _change(question: Question, context: Context) -> Turn:
    return context.turn_and_question(
        TurnResult.ACCEPTED, current_step=question.step, choosing=False, changing=True, wrong_answers=0
    )


def _say_what_is_possible(context: Context) -> Turn:
    if is_question(context.message.text):
        return _refer_to_people(context)
    return context.turn(TurnResult.GREETED, *context.question())


_RULES: Mapping[OnboardingStep, Callable[[Context], Turn]] = {
    OnboardingStep.WELCOME: _continue_or_start_over,
    OnboardingStep.CONFIRMATION: _confirm,
    OnboardingStep.COMPLETED: _say_what_is_possible,
}
