"""The sign-up as a table: one row per question, with what it accepts, what it stores, and how it is confirmed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from onboarding_bot.conversation.reply import Part, TextRef, Value
from onboarding_bot.conversation.sectors import SECTORS, Sector
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.conversation.validators import (
    indian_mobile,
    validate_name,
    validate_phone,
    validate_pincode,
    validate_sector,
)


@dataclass(frozen=True, slots=True)
class Question:
    """One row of the flow.

    ``ask`` gives the question's part for a sender; ``validate`` turns the answer into what is stored in ``field``,
    or raises InvalidInput; ``accepts`` says it in one line for docs/conversation.md; ``asks_again`` repeats the
    question below the fault; ``offers_own_number`` lets "1" stand for the sender's own mobile number.
    """

    step: OnboardingStep
    field: str
    ask: Callable[[str], Part]
    validate: Callable[[str], str]
    accepts: str
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
    return Part("phone.ask_own", {"phone": shown_phone(own)}) if own else Part("phone.ask")


FLOW: tuple[Question, ...] = (
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
        offers_own_number=True,
    ),
)

QUESTIONS: Mapping[OnboardingStep, Question] = {question.step: question for question in FLOW}
FIELDS = tuple(question.field for question in FLOW)


def first_unanswered(data: Mapping[str, str]) -> OnboardingStep:
    """The step of the first question without an answer; CONFIRMATION when all are answered."""
    missing = (question.step for question in FLOW if question.field not in data)
    return next(missing, OnboardingStep.CONFIRMATION)


def step_before(step: OnboardingStep) -> OnboardingStep | None:
    """The question that BACK leads to, or None when there is none before."""
    order = [*QUESTIONS, OnboardingStep.CONFIRMATION]
    position = order.index(step)
    return order[position - 1] if position else None


def shown_phone(phone: str) -> str:
    """A stored mobile number as people in India write it: +91 98765 43210."""
    return f"{phone[:3]} {phone[3:8]} {phone[8:]}"


def shown_answer(field: str, value: str) -> Value:
    """A stored answer as it is shown: sectors by their name in the reader's language, phone numbers in groups."""
    match field:
        case "sector":
            return sector_text(value)
        case "phone":
            return shown_phone(value)
        case _:
            return value


def sector_text(value: str) -> TextRef:
    """The name of a stored sector in the reader's language."""
    return Sector(value).text
