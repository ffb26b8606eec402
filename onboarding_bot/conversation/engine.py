"""The conversation's rules: ``advance`` turns a message into a turn, ``resume`` does so with an effect's outcome."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from onboarding_bot.conversation import otp, rate_limit
from onboarding_bot.conversation.answer_rules import decline_media, take_answer
from onboarding_bot.conversation.button_replies import choose_text
from onboarding_bot.conversation.command_rules import run_command
from onboarding_bot.conversation.commands import find_command
from onboarding_bot.conversation.consent import record_advanced_opt_out
from onboarding_bot.conversation.contact import USUAL_RETENTION, Contact, Draft, Retention
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.intents import refusal_in
from onboarding_bot.conversation.notice import knows_older_notice, welcome, with_changed_notice, with_notice
from onboarding_bot.conversation.own_data import (
    OWN_DATA_COMMANDS,
    answer_erasure_question,
    erasure_question_is_pending,
)
from onboarding_bot.conversation.refusals import answer_refusal
from onboarding_bot.conversation.reply import Part, Reply
from onboarding_bot.conversation.session import OnboardingStep, RememberedReply, UserSession
from onboarding_bot.conversation.turn import (
    InboundMessage,
    MessageKind,
    Milestone,
    OtpOutcome,
    RequestOtp,
    Turn,
    TurnResult,
)
from onboarding_bot.conversation.unanswered import UnansweredMessage, apply_consent_commands


@dataclass(frozen=True, slots=True)
class Engine:
    """The rules with their settings: how long data is kept, the rate limit, and the page where people can check the
    sender (VERIFY_URL; None: there is no page).
    """

    retention: Retention = USUAL_RETENTION
    messages_per_minute: int = 60
    verify_url: str | None = None

    def advance(
        self, session: UserSession | None, contact: Contact | None, message: InboundMessage, now: datetime
    ) -> Turn:
        """The turn that ``message`` makes of this session and contact record (None: there is none).

        Not for a message whose reply the session remembers; a message whose OTP request did not end is resumed.
        """
        contact = _with_inbound(contact, message, now)
        message = choose_text(Context(session, contact, message, now) if session else None, message)
        if session is None and not message.opt_out:
            return _remember_reply(with_changed_notice(self._open(contact, message, now), message), message, now)
        if session and (known := session.recall(message.sid)):
            turn = otp.resume_turn(Context(session, contact, message, now), known)
            return _remember_reply(_with_entry_time(turn, session, now), message, now)
        session = rate_limit.count_message(session, now) if session else UserSession.start(OnboardingStep.WELCOME, now)
        context = Context(session, contact, message, now, self.retention, self.verify_url)
        if message.opt_out:
            turn = record_advanced_opt_out(context)
        elif rate_limit.is_over_limit(session, self.messages_per_minute):
            turn = rate_limit.answer_over_limit(context)
        else:
            turn = _with_entry_time(_answer(context), session, now)
        return _remember_reply(with_changed_notice(turn, message), message, now)

    def resume(
        self,
        session: UserSession | None,
        contact: Contact | None,
        request: RequestOtp,
        outcome: OtpOutcome,
        message: InboundMessage,
        now: datetime,
    ) -> Turn:
        """The turn that the outcome of ``request``, which ``message`` asked for, makes of the state as it is by now."""
        is_known = contact is not None
        contact = contact or _with_inbound(None, message, now)
        session = session or UserSession.start(OnboardingStep.NAME, now)
        turn = _apply_outcome(Context(session, contact, message, now), request, outcome)
        return _remember_reply(with_changed_notice(turn, message) if is_known else turn, message, now)

    def retry_otp(self, session: UserSession, contact: Contact, now: datetime) -> Turn | None:
        """The turn that claims an OTP intention that an outage left open; None when none is open."""
        return otp.retry(Context(session, contact, InboundMessage("", contact.address), now))

    def resume_retry(
        self,
        session: UserSession | None,
        contact: Contact | None,
        request: RequestOtp,
        outcome: OtpOutcome,
        sender: str,
        now: datetime,
    ) -> Turn:
        """The turn that the outcome of ``request``, which ``retry_otp`` made, makes of the state as it is by now."""
        message = InboundMessage("", sender)
        contact = contact or _with_inbound(None, message, now)
        session = session or UserSession.start(OnboardingStep.NAME, now)
        turn = _apply_outcome(Context(session, contact, message, now), request, outcome)
        return replace(turn, contact=_with_draft(turn.contact, turn.session, now), result=TurnResult.LATE_OUTCOME)

    def remind(self, session: UserSession, contact: Contact, number: int, now: datetime) -> Turn:
        """The turn of reminder 1 or 2: the pending question again; no message came, so nothing else changes."""
        reminder = Part("nudge.first") if number == 1 else Part("nudge.last")
        context = Context(session, contact, InboundMessage("", contact.address), now)
        return context.turn_and_question(TurnResult.REMINDER, reminder, reminders_sent=number)

    def answer_unanswered(
        self,
        session: UserSession | None,
        contact: Contact | None,
        messages: Sequence[UnansweredMessage],
        *,
        is_answered: bool,
        is_reachable: bool,
    ) -> Turn | None:
        """The turn for a person whose ``messages`` (the oldest first) an outage may have left unanswered; None: none.

        ``is_answered`` says that the last message got a reply after all, ``is_reachable`` that the 24-hour window is
        open. A turn with an empty reply is stored, and nothing is sent. Of the texts, consent commands alone count.
        """
        message, at = messages[-1].message, messages[-1].at
        before = _with_inbound(contact, message, at)
        after, confirmation = apply_consent_commands(session or _resting_session(before, at), before, messages)
        opts_out = after.opt_out is not None and before.opt_out is None
        reply_is_owed = is_reachable and not is_answered and (opts_out or after.opt_out is None)
        if not reply_is_owed and after == before:
            return None
        context = Context(session or _resting_session(after, at), after, message, at, self.retention)
        if opts_out or not reply_is_owed:
            turn = context.turn(TurnResult.CAUGHT_UP, *(confirmation if opts_out and is_reachable else ()))
        else:
            turn = self._welcome_back(context, session, confirmation)
        return turn if is_answered else _as_answered(turn, message, at)

    def _welcome_back(self, context: Context, session: UserSession | None, confirmation: Reply) -> Turn:
        """The pending question for a person in the sign-up, the welcome for one who has not had the notice."""
        if session is None or context.notice_is_owed:
            opened = self._open(
                context.contact, replace(context.message, text="Hi", kind=MessageKind.TEXT), context.now
            )
            if Milestone.STARTED in opened.milestones:
                return replace(opened, reply=(*confirmation, *opened.reply))
            context = replace(context, session=opened.session)
        turn = context.turn_and_question(TurnResult.CAUGHT_UP, Part("catch_up.back"), *confirmation)
        return with_notice(turn) if knows_older_notice(turn) else turn

    def _open(self, contact: Contact, message: InboundMessage, now: datetime) -> Turn:
        """The first message of a person without a session: with a draft, registered, or new."""
        draft = contact.draft
        if draft and draft.data and now - draft.saved_at < self.retention.draft:
            context = self._context(OnboardingStep.WELCOME, contact, message, now)
            if _is_command(message) or _is_refusal(message):
                return _answer(context)
            return context.turn(TurnResult.GREETED, *context.question())
        if contact.registration:
            return _answer(self._context(OnboardingStep.COMPLETED, contact, message, now))
        context = self._context(OnboardingStep.WELCOME, replace(contact, draft=None), message, now)
        if find_command(message.text) in OWN_DATA_COMMANDS:
            return _answer(context)
        return _refusal_before_notice(context) or welcome(self._context(OnboardingStep.NAME, contact, message, now))

    def _context(self, step: OnboardingStep, contact: Contact, message: InboundMessage, now: datetime) -> Context:
        """The context of a message that begins a session in ``step``."""
        data = contact.registration if step is OnboardingStep.COMPLETED else None
        session = UserSession.start(step, now, data)
        return Context(session, contact, message, now, self.retention, self.verify_url)


def _answer(context: Context) -> Turn:
    turn = answer_erasure_question(context) if erasure_question_is_pending(context) else None
    return turn or _answer_in_step(context)


def _answer_in_step(context: Context) -> Turn:
    command = find_command(context.message.text)
    if context.notice_is_owed and command not in OWN_DATA_COMMANDS:
        # Twilio answered all messages so far itself, or they were about own data: the notice is still owed.
        session = replace(context.session, current_step=OnboardingStep.NAME)
        return _refusal_before_notice(context) or welcome(replace(context, session=session))
    if context.message.kind is not MessageKind.TEXT:
        return decline_media(context)
    context = replace(context, session=replace(context.session, voice_notes=0))
    if otp.looks_like_otp(context):
        return otp.warn_of_otp_in_chat(context)
    return run_command(command, context) if command else take_answer(context)


def _refusal_before_notice(context: Context) -> Turn | None:
    """The turn of a refusal before the notice; the next message gets the notice."""
    if _is_command(context.message) or not _is_refusal(context.message):
        return None
    return answer_refusal(context)


def _is_command(message: InboundMessage) -> bool:
    return message.kind is MessageKind.TEXT and find_command(message.text) is not None


def _is_refusal(message: InboundMessage) -> bool:
    return message.kind is MessageKind.TEXT and refusal_in(message.text) is not None


def _apply_outcome(context: Context, request: RequestOtp, outcome: OtpOutcome) -> Turn:
    turn = _with_entry_time(otp.apply_outcome(context, request, outcome), context.session, context.now)
    return replace(turn, otp_result=outcome.result)


def _with_entry_time(turn: Turn, before: UserSession, now: datetime) -> Turn:
    """The turn with the time at which the session entered its step, if the step is another one than before."""
    if turn.session.current_step is before.current_step:
        return turn
    return replace(turn, session=replace(turn.session, entered_at=now))


def _resting_session(contact: Contact, now: datetime) -> UserSession:
    """The session of a person without one, in a step that asks nothing."""
    if contact.registration:
        return UserSession.start(OnboardingStep.COMPLETED, now, contact.registration)
    return UserSession.start(OnboardingStep.WELCOME, now)


def _as_answered(turn: Turn, message: InboundMessage, at: datetime) -> Turn:
    """The turn that remembers its reply to ``message``, so that no second run answers it; it counts as a reminder."""
    remembered = _remember_reply(turn, message, max(at, turn.session.updated_at))
    return replace(remembered, session=replace(remembered.session, reminders_sent=1), result=TurnResult.CAUGHT_UP)


def _with_inbound(contact: Contact | None, message: InboundMessage, now: datetime) -> Contact:
    """The contact record after this message; a new person who writes Devanagari gets replies in Hindi."""
    contact = contact or Contact(message.sender, None, first_inbound_at=now, last_inbound_at=now)
    if contact.language is None and not contact.consents and _has_devanagari(message.button_text or message.text):
        contact = replace(contact, language="hi")
    # Of an erased person only the opt-out is left: this message is the first one.
    first = contact.first_inbound_at if contact.address else now
    last = max(now, contact.last_inbound_at)
    return replace(contact, address=message.sender, first_inbound_at=first, last_inbound_at=last)


def _has_devanagari(text: str) -> bool:
    return any(unicodedata.name(character, "").startswith("DEVANAGARI LETTER") for character in text[:100])


def _remember_reply(turn: Turn, message: InboundMessage, now: datetime) -> Turn:
    """The turn with the reply for a copy of this message in its session, and with its unfinished answers as a draft."""
    if turn.effect:
        known = RememberedReply(
            message.sid, now, reply=None, intention_id=turn.effect.intention_id, lease_until=now + otp.LEASE
        )
    else:
        known = RememberedReply(message.sid, now, turn.reply, turn.contact.language)
    session = replace(turn.session.remember(known), updated_at=now, reminders_sent=0)
    return replace(turn, session=session, contact=_with_draft(turn.contact, session, now))


def _with_draft(contact: Contact, session: UserSession, now: datetime) -> Contact:
    if session.current_step in {OnboardingStep.WELCOME, OnboardingStep.COMPLETED}:
        return contact
    draft = Draft(dict(session.data), now) if session.data else None
    return replace(contact, draft=draft)
