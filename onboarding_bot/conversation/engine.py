"""The conversation's rules: ``advance`` turns a message into a turn, ``resume`` does so with an effect's outcome."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from onboarding_bot.conversation import otp, rate_limit
from onboarding_bot.conversation.answer_rules import decline_media, take_answer
from onboarding_bot.conversation.command_rules import follow, heard_by_twilio
from onboarding_bot.conversation.commands import Command, find_command
from onboarding_bot.conversation.contact import USUAL_RETENTION, Contact, Draft, Retention
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.intents import refusal_in
from onboarding_bot.conversation.own_data import ABOUT_OWN_DATA, erase_or_keep, is_asked_whether_to_erase
from onboarding_bot.conversation.refusals import obey_refusal
from onboarding_bot.conversation.reply import Link, Part, Reply
from onboarding_bot.conversation.session import OnboardingStep, RememberedReply, UserSession
from onboarding_bot.conversation.taps import as_meant
from onboarding_bot.conversation.turn import (
    InboundMessage,
    MessageKind,
    Milestone,
    OtpOutcome,
    RequestOtp,
    Turn,
    TurnResult,
)
from onboarding_bot.conversation.unanswered import MissedMessage, hear_consent

# Changes when the notice or PRIVACY say something else about what is kept, why, how long, or what one can do about it.
# Later versions sort behind earlier ones: a release never shows its notice to somebody who knows a later one.
NOTICE_VERSION = "2026-11.3"
# PRIVACY and one's own data fill a message: what somebody asks about them comes alone, the notice with the next reply.
_WITHOUT_NOTICE = ABOUT_OWN_DATA | {Command.PRIVACY}
_CONFIRMED_FIRST = frozenset({Command.STOP, Command.STOP_UPDATES, Command.UPDATES})


@dataclass(frozen=True, slots=True)
class Engine:
    """The rules with what they have to be told: how long things are kept, how fast people may write, and where they can
    check whom they write to (None: no page says so).
    """

    retention: Retention = USUAL_RETENTION
    messages_per_minute: int = 60
    verify_url: str | None = None

    def advance(
        self, session: UserSession | None, contact: Contact | None, message: InboundMessage, now: datetime
    ) -> Turn:
        """What ``message`` changes for a person with this session and contact record (None: unknown so far).

        Not for a message that the session remembers a reply for; one whose turn was left behind is taken up.
        """
        contact = _seen(contact, message, now)
        message = as_meant(Context(session, contact, message, now) if session else None, message)
        if session is None and not message.opt_out:
            return _remembered(_informed(self._open(contact, message, now), message), message, now)
        if session and (known := session.recall(message.sid)):
            turn = otp.take_up(Context(session, contact, message, now), known)
            return _remembered(_timed(turn, session, now), message, now)
        session = rate_limit.counted(session, now) if session else UserSession.start(OnboardingStep.WELCOME, now)
        context = Context(session, contact, message, now, self.retention, self.verify_url)
        if message.opt_out:
            turn = heard_by_twilio(context)
        elif rate_limit.is_too_fast(session, self.messages_per_minute):
            turn = rate_limit.hold_back(context)
        else:
            turn = _timed(_answer(context), session, now)
        return _remembered(_informed(turn, message), message, now)

    def nudge(self, session: UserSession, contact: Contact, number: int, now: datetime) -> Turn:
        """The first or the second reminder of the pending question; nobody wrote, so nothing else changes."""
        reminder = Part("nudge.first") if number == 1 else Part("nudge.last")
        context = Context(session, contact, InboundMessage("", contact.address), now)
        return context.turn_and_question(TurnResult.NUDGE, reminder, nudges=number)

    def catch_up(
        self,
        session: UserSession | None,
        contact: Contact | None,
        missed: Sequence[MissedMessage],
        *,
        is_answered: bool,
        is_reachable: bool,
    ) -> Turn | None:
        """What an outage still owes to a person whose messages (the oldest first) may have reached nobody.

        None: nothing. ``is_answered`` says so of the last message, ``is_reachable`` that a reply may still go out;
        an empty reply is only written down. What was said counts as unread, except for words of consent.
        """
        message, at = missed[-1].message, missed[-1].at
        seen = _seen(contact, message, at)
        heard, confirmation = hear_consent(session or _at_rest(seen, at), seen, missed)
        stops = heard.opt_out is not None and seen.opt_out is None
        is_owed = is_reachable and not is_answered and (stops or heard.opt_out is None)
        if not is_owed and heard == seen:
            return None
        context = Context(session or _at_rest(heard, at), heard, message, at, self.retention)
        if stops or not is_owed:
            turn = context.turn(TurnResult.CAUGHT_UP, *(confirmation if stops and is_reachable else ()))
        else:
            turn = self._welcome_back(context, session, confirmation)
        return turn if is_answered else _caught_up(turn, message, at)

    def _welcome_back(self, context: Context, session: UserSession | None, confirmation: Reply) -> Turn:
        """The pending question for somebody known, the notice for anybody who has not had it."""
        if session is None or _notice_is_owed(context):
            opened = self._open(
                context.contact, replace(context.message, text="Hi", kind=MessageKind.TEXT), context.now
            )
            if Milestone.STARTED in opened.milestones:
                return replace(opened, reply=(*confirmation, *opened.reply))
            context = replace(context, session=opened.session)
        turn = context.turn_and_question(TurnResult.CAUGHT_UP, Part("catch_up.back"), *confirmation)
        return _with_notice(turn) if _has_older_notice(turn) else turn

    def try_again(self, session: UserSession, contact: Contact, now: datetime) -> Turn | None:
        """Take up an OTP intention that an outage left open; None when there is nothing to do (any more)."""
        return otp.try_again(Context(session, contact, InboundMessage("", contact.address), now))

    def settle_late(
        self,
        session: UserSession | None,
        contact: Contact | None,
        request: RequestOtp,
        outcome: OtpOutcome,
        sender: str,
        now: datetime,
    ) -> Turn:
        """What the outcome of a request changes that ``try_again`` took up."""
        message = InboundMessage("", sender)
        contact = contact or _seen(None, message, now)
        session = session or UserSession.start(OnboardingStep.NAME, now)
        turn = _settled(Context(session, contact, message, now), request, outcome)
        contact = _with_draft(turn.contact, turn.session, now)
        return replace(turn, contact=contact, result=TurnResult.LATE_OUTCOME)

    def resume(
        self,
        session: UserSession | None,
        contact: Contact | None,
        request: RequestOtp,
        outcome: OtpOutcome,
        message: InboundMessage,
        now: datetime,
    ) -> Turn:
        """What the outcome of ``request``, which ``message`` asked for, changes in the state as it is by now."""
        is_known = contact is not None
        contact = contact or _seen(None, message, now)
        session = session or UserSession.start(OnboardingStep.NAME, now)
        turn = _settled(Context(session, contact, message, now), request, outcome)
        return _remembered(_informed(turn, message) if is_known else turn, message, now)

    def _open(self, contact: Contact, message: InboundMessage, now: datetime) -> Turn:
        """The first message of a person without a session: somebody new, unfinished, or registered."""
        draft = contact.draft
        if draft and draft.data and now - draft.saved_at < self.retention.draft:
            session = UserSession.start(OnboardingStep.WELCOME, now)
            context = Context(session, contact, message, now, self.retention, self.verify_url)
            return (
                _answer(context)
                if _is_command(message) or _refuses(message)
                else context.turn(TurnResult.GREETED, *context.question())
            )
        if contact.registration:
            session = UserSession.start(OnboardingStep.COMPLETED, now, contact.registration)
            return _answer(Context(session, contact, message, now, self.retention, self.verify_url))
        if find_command(message.text) in ABOUT_OWN_DATA:
            session = UserSession.start(OnboardingStep.WELCOME, now)
            return _answer(
                Context(session, replace(contact, draft=None), message, now, self.retention, self.verify_url)
            )
        context = Context(
            UserSession.start(OnboardingStep.WELCOME, now),
            replace(contact, draft=None),
            message,
            now,
            verify_url=self.verify_url,
        )
        return _refused_unasked(context) or _welcome(
            replace(context, session=UserSession.start(OnboardingStep.NAME, now), contact=contact)
        )


def _settled(context: Context, request: RequestOtp, outcome: OtpOutcome) -> Turn:
    turn = _timed(otp.settle(context, request, outcome), context.session, context.now)
    return replace(turn, otp_result=outcome.result)


def _timed(turn: Turn, before: UserSession, now: datetime) -> Turn:
    """The turn with the time at which the session entered its step, if it is another step than before."""
    if turn.session.current_step is before.current_step:
        return turn
    return replace(turn, session=replace(turn.session, entered_at=now))


def _answer(context: Context) -> Turn:
    answered = erase_or_keep(context) if is_asked_whether_to_erase(context) else None
    return answered or _go_on(context)


def _go_on(context: Context) -> Turn:
    command = find_command(context.message.text)
    if _notice_is_owed(context) and command not in ABOUT_OWN_DATA:
        # All that came so far was answered by Twilio itself, or was about what is kept: the notice is still owed.
        refused = _refused_unasked(context)
        return refused or _welcome(replace(context, session=replace(context.session, current_step=OnboardingStep.NAME)))
    if context.message.kind is not MessageKind.TEXT:
        return decline_media(context)
    context = replace(context, session=replace(context.session, voice_notes=0))
    if otp.looks_like_otp(context):
        return otp.warn_of_otp_in_chat(context)
    return follow(command, context) if command else take_answer(context)


def _refused_unasked(context: Context) -> Turn | None:
    """The turn of a refusal before the notice was read; whoever comes back gets the notice then."""
    if _is_command(context.message) or not _refuses(context.message):
        return None
    return obey_refusal(context)


def _refuses(message: InboundMessage) -> bool:
    return message.kind is MessageKind.TEXT and refusal_in(message.text) is not None


def _notice_is_owed(context: Context) -> bool:
    return context.step is OnboardingStep.WELCOME and context.contact.draft is None


def _at_rest(contact: Contact, now: datetime) -> UserSession:
    """The session of somebody whom nothing is asked yet."""
    if contact.registration:
        return UserSession.start(OnboardingStep.COMPLETED, now, contact.registration)
    return UserSession.start(OnboardingStep.WELCOME, now)


def _caught_up(turn: Turn, message: InboundMessage, at: datetime) -> Turn:
    """The turn as if the message had met it, so that nobody is caught up with twice; it stands for a reminder too."""
    remembered = _remembered(turn, message, max(at, turn.session.updated_at))
    return replace(remembered, session=replace(remembered.session, nudges=1), result=TurnResult.CAUGHT_UP)


def _is_command(message: InboundMessage) -> bool:
    return message.kind is MessageKind.TEXT and find_command(message.text) is not None


def _welcome(context: Context) -> Turn:
    """Who we are, and then the notice, before the first question and whatever the first message says.

    A word of consent counts.
    """
    contact = replace(context.contact, notice_version=NOTICE_VERSION, draft=None)
    check = Part("welcome.page", {"url": Link(context.verify_url)}) if context.verify_url else Part("welcome.people")
    welcome = (Part("welcome"), check, Part("notice"), *context.question())
    command = find_command(context.message.text)
    if command in {Command.STOP, Command.START, Command.UPDATES, Command.STOP_UPDATES}:
        followed = follow(command, replace(context, contact=contact))
        confirmed = followed.reply[:1] if command is not Command.START else ()
        contact, welcome = followed.contact, (*confirmed, *welcome)
    turn = context.turn(TurnResult.GREETED, *welcome, contact=contact)
    return replace(turn, step=OnboardingStep.WELCOME, milestones=frozenset({Milestone.STARTED}))


def _informed(turn: Turn, message: InboundMessage) -> Turn:
    """The turn with the notice in its reply, when the person knows an older one: once, as this turn writes it down."""
    command = find_command(message.text) if message.kind is MessageKind.TEXT else None
    is_about_it = turn.erases or command in _WITHOUT_NOTICE
    is_silent = not turn.reply or turn.effect is not None or turn.result is TurnResult.TOO_FAST
    if is_about_it or is_silent or not _has_older_notice(turn):
        return turn
    # A STOP, and every other word of consent, is confirmed first.
    is_about_consent = command in _CONFIRMED_FIRST or (command is None and _refuses(message))
    return _with_notice(turn, after=1 if is_about_consent else 0)


def _has_older_notice(turn: Turn) -> bool:
    is_welcome_to_come = turn.session.current_step is OnboardingStep.WELCOME and turn.contact.draft is None
    return not is_welcome_to_come and (turn.contact.notice_version or "") < NOTICE_VERSION


def _with_notice(turn: Turn, after: int = 0) -> Turn:
    notice = (Part("notice.changed"), Part("notice"))
    contact = replace(turn.contact, notice_version=NOTICE_VERSION)
    return replace(turn, reply=(*turn.reply[:after], *notice, *turn.reply[after:]), contact=contact)


def _seen(contact: Contact | None, message: InboundMessage, now: datetime) -> Contact:
    """The contact after this message came in; a newcomer who writes Devanagari is answered in Hindi."""
    if contact is None:
        language = "hi" if _writes_devanagari(message.shown or message.text) else None
        return Contact(message.sender, language, first_inbound_at=now, last_inbound_at=now)
    if contact.language is None and not contact.consents and _writes_devanagari(message.shown or message.text):
        contact = replace(contact, language="hi")
    # Of somebody who was erased only the opt-out is left: this message is the first one.
    first = contact.first_inbound_at if contact.address else now
    last = max(now, contact.last_inbound_at)
    return replace(contact, address=message.sender, first_inbound_at=first, last_inbound_at=last)


def _writes_devanagari(text: str) -> bool:
    return any(unicodedata.name(character, "").startswith("DEVANAGARI LETTER") for character in text[:100])


def _remembered(turn: Turn, message: InboundMessage, now: datetime) -> Turn:
    """The turn with what outlives it: the reply for a copy of this message, and the unfinished answers."""
    if turn.effect:
        known = RememberedReply(
            message.sid, now, reply=None, intention_id=turn.effect.intention_id, lease_until=now + otp.LEASE
        )
    else:
        known = RememberedReply(message.sid, now, turn.reply, turn.contact.language)
    session = replace(turn.session.remember(known), updated_at=now, nudges=0)
    return replace(turn, session=session, contact=_with_draft(turn.contact, session, now))


def _with_draft(contact: Contact, session: UserSession, now: datetime) -> Contact:
    if session.current_step in {OnboardingStep.WELCOME, OnboardingStep.COMPLETED}:
        return contact
    draft = Draft(dict(session.data), now) if session.data else None
    return replace(contact, draft=draft)
