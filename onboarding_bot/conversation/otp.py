"""The rules of one-time passwords: limits, the intention with its lease, and what the outcome of a request changes."""

from __future__ import annotations

import math
import re
import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from onboarding_bot.conversation.contact import (
    OTP_DAY,
    OTP_PAUSE,
    OTP_REQUESTS_A_DAY,
    Contact,
    OtpRequest,
)
from onboarding_bot.conversation.context import Context
from onboarding_bot.conversation.reply import Part, Reply, TextRef
from onboarding_bot.conversation.session import (
    OnboardingStep,
    OtpIntention,
    OtpPurpose,
    RememberedReply,
    Reservation,
    UserSession,
)
from onboarding_bot.conversation.sign_up import pending_question
from onboarding_bot.conversation.text_normalization import normalize
from onboarding_bot.conversation.turn import Milestone, OtpOutcome, OtpResult, RequestOtp, Turn, TurnResult

# Longer than the auth API's deadline of 8 s, so that a live process never loses its lease.
LEASE = timedelta(seconds=10)
# How long after the YES the worker retries a request that an outage left open, and how often.
RETRY_FOR = timedelta(minutes=15)
RETRY_EVERY = timedelta(seconds=60)

_SIX_DIGITS = re.compile(r"[0-9]{3}[ -]?[0-9]{3}")
_OTP_WORDS = re.compile(r"\b(?:my|the|otp|code|is|hai|mera|here|ओटीपी|कोड|मेरा|है)\b|[:.,!]", re.IGNORECASE)


def looks_like_otp(context: Context) -> bool:
    """Whether the message is an OTP in the wrong place: six digits alone, after an OTP was requested."""
    if context.step is OnboardingStep.PINCODE or not context.contact.otp_requests:
        return False
    return _SIX_DIGITS.fullmatch(_OTP_WORDS.sub(" ", normalize(context.message.text)).strip()) is not None


def warn_of_otp_in_chat(context: Context) -> Turn:
    """The turn of an OTP in the chat: never share an OTP, and where it belongs; the digits are not stored."""
    return context.turn_and_question(TurnResult.OTP_IN_CHAT, Part("otp.never_share"))


def request_otp(context: Context, purpose: OtpPurpose) -> Turn:
    """Claim the open intention, or a new one, unless the sender is over a limit."""
    if context.otp_is_being_requested:
        return context.turn(TurnResult.COMMAND, Part("otp.in_progress"))
    intention = context.session.intention or _new_intention(context, purpose)
    if limit := _sender_limit(context, intention):
        return replace(context.turn(TurnResult.COMMAND, limit), otp_result=OtpResult.LIMITED)
    return _claim(context, intention)


def retry(context: Context) -> Turn | None:
    """Claim an intention that an outage left open; None when none is open, or its time is over."""
    intention = context.session.intention
    if intention is None or context.otp_is_being_requested or context.now - intention.since >= RETRY_FOR:
        return None
    return None if _sender_limit(context, intention) else _claim(context, intention)


def resume_turn(context: Context, known: RememberedReply) -> Turn:
    """The turn of a copy of a message whose OTP request did not end: claim it again, or say how it stands by now."""
    intention = context.session.intention
    if intention is None or intention.id != known.intention_id:
        return context.turn(TurnResult.COMMAND, *context.question())
    if intention.in_flight(context.now):
        return context.turn(TurnResult.COMMAND, Part("otp.in_progress"))
    return _claim(context, intention)


def is_abandoned(session: UserSession, known: RememberedReply, now: datetime) -> bool:
    """Whether the message got no reply, and no process will retry its OTP request any more."""
    intention = session.intention
    if known.reply is not None or intention is None or intention.id != known.intention_id:
        return False
    return not intention.in_flight(now) and now - intention.since >= RETRY_FOR


def drop_intention(session: UserSession, contact: Contact) -> UserSession:
    """The session without its intention, after an answer changed; an entry of the daily limit that is unused stays."""
    intention = session.intention
    if intention is None:
        return session
    is_used = any(request.token == intention.reservation.token for request in contact.otp_requests)
    spare = session.spare_reservation if is_used else intention.reservation
    return replace(session, intention=None, spare_reservation=spare)


def apply_outcome(context: Context, request: RequestOtp, outcome: OtpOutcome) -> Turn:
    """The turn that the outcome of ``request`` makes of the state as it is by now."""
    contact = context.contact
    if outcome.result not in {OtpResult.SENT, OtpResult.AMBIGUOUS}:
        contact = contact.without_otp_request(request.reservation.token)
    context = replace(context, contact=contact)
    intention = context.session.intention
    if intention is None or intention.id != request.intention_id:
        return context.turn_and_question(TurnResult.OUTCOME, Part("otp.superseded"))
    match outcome.result:
        case OtpResult.SENT:
            return _sent(context, intention, outcome)
        case OtpResult.NOT_SENT:
            return _keep_open(context, replace(intention, lease_until=None))
        case OtpResult.AMBIGUOUS:
            return _keep_open(context, _next_attempt(intention))
        case OtpResult.LIMITED:
            reply = _limit_reply(context, outcome.wait_seconds)
            return context.turn(TurnResult.OUTCOME, reply, intention=None)
        case OtpResult.REFUSED | OtpResult.REFUSED_KNOWN_NUMBER:
            return _refused(context, intention, outcome)


def _new_intention(context: Context, purpose: OtpPurpose) -> OtpIntention:
    # The id follows from person and message, so that a turn that is computed again makes no second request.
    person = context.message.person_id or context.message.sender
    intention_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{person}/{context.message.sid}"))
    phone = context.session.data["phone"]
    spare = context.session.spare_reservation
    reservation = spare if spare and spare.phone == phone else Reservation(f"{intention_id}.1", phone)
    return OtpIntention(intention_id, purpose, reservation, lease_until=None, since=context.now)


def _next_attempt(intention: OtpIntention) -> OtpIntention:
    """The open intention after an attempt that may have sent an SMS: the next one is a new entry of the daily limit."""
    attempt = intention.attempt + 1
    reservation = replace(intention.reservation, token=f"{intention.id}.{attempt}")
    return replace(intention, lease_until=None, attempt=attempt, reservation=reservation)


def _claim(context: Context, intention: OtpIntention) -> Turn:
    trace_id = context.message.trace_id or intention.trace_id
    intention = replace(intention, lease_until=context.now + LEASE, trace_id=trace_id)
    contact = context.contact.with_otp_request(OtpRequest(intention.reservation.token, context.now))
    turn = context.turn(
        TurnResult.EFFECT, contact=contact, intention=intention, spare_reservation=None, wrong_answers=0
    )
    effect = RequestOtp(
        intention_id=intention.id,
        message_sid=context.message.sid,
        reservation=intention.reservation,
        data=context.session.data,
    )
    return replace(turn, effect=effect)


def _sender_limit(context: Context, intention: OtpIntention) -> Part | None:
    """The reply when this sender is over a limit, which holds for all phone numbers together."""
    others = [
        request
        for request in context.contact.otp_requests
        if request.token != intention.reservation.token and context.now - request.at < OTP_DAY
    ]
    if len(others) >= OTP_REQUESTS_A_DAY:
        return _limit_reply(context, int(OTP_DAY.total_seconds()))
    wait = max((request.at + OTP_PAUSE - context.now for request in others), default=timedelta())
    return _limit_reply(context, math.ceil(wait.total_seconds())) if wait > timedelta() else None


def _limit_reply(context: Context, wait_seconds: int) -> Part:
    if wait_seconds > OTP_PAUSE.total_seconds():
        return Part("otp.limit_day")
    return Part("otp.limit_pause", {"count": wait_seconds, "word": _word_to_repeat(context)})


def _word_to_repeat(context: Context) -> TextRef:
    return TextRef("word.login" if context.step is OnboardingStep.COMPLETED else "word.yes")


def _sent(context: Context, intention: OtpIntention, outcome: OtpOutcome) -> Turn:
    if outcome.login_link is None:
        raise ValueError("an OTP that was sent comes with a login link")
    finishes = intention.purpose is OtpPurpose.SIGN_UP
    contact = context.contact
    if finishes:
        contact = replace(contact, completed_at=context.now, registration=dict(context.session.data), draft=None)
    turn = context.turn(
        TurnResult.OUTCOME,
        Part("completed.link" if finishes else "login.link", {"link": outcome.login_link}),
        contact=contact,
        current_step=OnboardingStep.COMPLETED,
        intention=None,
        handoff_id=intention.id,
    )
    return replace(turn, milestones=frozenset({Milestone.COMPLETED})) if finishes else turn


def _keep_open(context: Context, intention: OtpIntention) -> Turn:
    reply = Part("otp.unavailable", {"word": _word_to_repeat(context)})
    return context.turn(TurnResult.OUTCOME, reply, intention=intention)


def _refused(context: Context, intention: OtpIntention, outcome: OtpOutcome) -> Turn:
    known_number = outcome.result is OtpResult.REFUSED_KNOWN_NUMBER
    reason = Part("otp.refused_known_number" if known_number else "otp.refused")
    return context.turn(
        TurnResult.OUTCOME,
        reason,
        *_how_to_correct(context),
        intention=None,
        spare_reservation=intention.reservation,
    )


def _how_to_correct(context: Context) -> Reply:
    if context.step is OnboardingStep.CONFIRMATION:
        return (Part("otp.refused_correct"),)
    return pending_question(context.session, context.message.sender)
