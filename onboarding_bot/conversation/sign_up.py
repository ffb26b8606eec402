"""The sign-up as a table, one row for each question, and the parts of a reply that ask one or show its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from onboarding_bot.conversation.reply import Part, Reply, Value
from onboarding_bot.conversation.sectors import SECTORS, Sector
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.conversation.validators import (
    indian_mobile,
    validate_name,
    validate_phone,
    validate_pincode,
    validate_sector,
)


@dataclass(frozen=True, slots=True)
class Question:
    """One row of the sign-up: the question of one step.

    ``ask`` makes the question's part for a sender; ``validate`` turns an answer into the value of ``field``, or raises
    InvalidInput; ``accepts`` says in one line for docs/conversation.md which answers it takes; ``show`` makes the
    value of a placeholder of a stored answer; ``asks_again`` repeats the question below the fault;
    ``offers_own_number`` lets "1" stand for the sender's own mobile number.
    """

    step: OnboardingStep
    field: str
    ask: Callable[[str], Part]
    validate: Callable[[str], str]
    accepts: str
    show: Callable[[str], Value] = str
    asks_again: bool = False
    offers_own_number: bool = False


def _ask_name(_sender: str) -> Part:
    return Part("name.ask")


def _ask_sector(_sender: str) -> Part:
    return Part("sector.ask", {f"sector_{number}": sector.text for number, sector in enumerate(SECTORS, start=1)})


def _ask_pincode(_sender: str) -> Part:
    return Part("pincode.ask")


def _ask_phone(sender: str) -> Part:
    own = indian_mobile(sender)
    return Part("phone.ask_own", {"phone": _grouped_phone(own)}) if own else Part("phone.ask")


def _sector_name(value: str) -> Value:
    return Sector(value).text


def _grouped_phone(phone: str) -> Value:
    """A stored mobile number as people in India write it: +91 98765 43210."""
    return f"{phone[:3]} {phone[3:8]} {phone[8:]}"


SIGN_UP: tuple[Question, ...] = (
    Question(
        OnboardingStep.NAME,
        "name",
        _ask_name,
        validate_name,
        "2 to 80 letters of any script, with spaces, `.`, `'` and `-`, that are plausibly a name; what may "
        "be one is asked about, and counts after `1` or a yes",
    ),
    Question(
        OnboardingStep.SECTOR,
        "sector",
        _ask_sector,
        validate_sector,
        "a number from 1 to 12 in digits, words or on a keycap, the sector's name (case and small typing mistakes"
        " forgiven), or both as on the list",
        show=_sector_name,
        asks_again=True,
    ),
    Question(
        OnboardingStep.PINCODE,
        "pincode",
        _ask_pincode,
        validate_pincode,
        "6 digits, the first not 0, however spaced, in the digits of any script; a place may stand around them",
    ),
    Question(
        OnboardingStep.PHONE,
        "phone",
        _ask_phone,
        validate_phone,
        "10 digits that start with 6 to 9, with or without +91, 91, 091, 0091, 0 or (0), also among words like “my"
        " number is”; `1` or “same” for the WhatsApp number",
        show=_grouped_phone,
        offers_own_number=True,
    ),
)

QUESTIONS: Mapping[OnboardingStep, Question] = {question.step: question for question in SIGN_UP}
FIELDS = tuple(question.field for question in SIGN_UP)


def first_unanswered(data: Mapping[str, str]) -> OnboardingStep:
    """The step of the first question without an answer; CONFIRMATION when all are answered."""
    missing = (question.step for question in SIGN_UP if question.field not in data)
    return next(missing, OnboardingStep.CONFIRMATION)


def step_before(step: OnboardingStep) -> OnboardingStep | None:
    """The question that BACK leads to, or None when there is none before."""
    order = [*QUESTIONS, OnboardingStep.CONFIRMATION]
    position = order.index(step)
    return order[position - 1] if position else None


def pending_question(session: UserSession, sender: str) -> Reply:
    """What the bot waits for: the step's question, the summary to confirm, or the commands after the sign-up."""
    match session.current_step:
        case OnboardingStep.WELCOME:
            return (Part("draft.choice"),)
        case OnboardingStep.CONFIRMATION if session.choosing:
            return (Part("change.ask"),)
        case OnboardingStep.CONFIRMATION:
            return (Part("confirmation.ask", all_answers(session.data)),)
        case OnboardingStep.COMPLETED:
            return (Part("completed.hint"),)
        case OnboardingStep.NAME if session.doubtful_name:
            return (Part("name.doubtful", {"name": session.doubtful_name}),)
        case step:
            return (QUESTIONS[step].ask(sender),)


def answers_so_far(session: UserSession) -> Reply:
    """One line for each answer of the session."""
    return tuple(
        Part(f"known.{question.field}", {question.field: question.show(session.data[question.field])})
        for question in SIGN_UP
        if question.field in session.data
    )


def all_answers(data: Mapping[str, str]) -> dict[str, Value]:
    """Every answer of a finished sign-up by its field, as a reply shows it."""
    return {question.field: question.show(data[question.field]) for question in SIGN_UP}
