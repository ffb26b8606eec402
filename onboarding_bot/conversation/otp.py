"""The rules for one-time passwords: who may ask for one, who is at work on it, and what its outcome changes."""

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
from onboarding_bot.conversation.questions import pending_question
from onboarding_bot.conversation.reply import Part, Reply, TextRef
from onboarding_bot.conversation.scene import Scene
from onboarding_bot.conversation.session import (
    OnboardingStep,
    OtpIntention,
    OtpPurpose,
    RememberedReply,
    Reservation,
    UserSession,
)
from onboarding_bot.conversation.turn import Milestone, OtpOutcome, OtpResult, RequestOtp, Turn, TurnResult
from onboarding_bot.conversation.typed import plain

# Longer than the auth API's deadline of 8 s, so that a live process never loses its intention.
LEASE = timedelta(seconds=10)
# How long the bot goes on by itself after an outage, and how often it tries.
TRIED_AGAIN_FOR = timedelta(minutes=15)
TRIED_AGAIN_EVERY = timedelta(seconds=60)

_SIX_DIGITS = re.compile(r"[0-9]{3}[ -]?[0-9]{3}")
_OTP_WORDS = re.compile(r"\b(?:my|the|otp|code|is|hai|mera|here|ओटीपी|कोड|मेरा|है)\b|[:.,!]", re.IGNORECASE)


def looks_like_otp(scene: Scene) -> bool:
    """Whether the message is an OTP typed into the wrong place: six bare digits after one was requested."""
    if scene.step is OnboardingStep.PINCODE or not scene.contact.otp_requests:
        return False
    return _SIX_DIGITS.fullmatch(_OTP_WORDS.sub(" ", plain(scene.message.text)).strip()) is not None


def warn_of_otp_in_chat(scene: Scene) -> Turn:
    """Say that an OTP is never to be shared, and where it belongs; the digits go nowhere."""
    return scene.turn_and_question(TurnResult.OTP_IN_CHAT, Part("otp.never_share"))


def ask_for_otp(scene: Scene, purpose: OtpPurpose) -> Turn:
    """Claim the open intention, or form a new one, unless a limit of this sender is in the way."""
    if scene.otp_is_being_requested:
        return scene.turn(TurnResult.COMMAND, Part("otp.in_progress"))
    intention = scene.session.intention or _new_intention(scene, purpose)
    if limit := _sender_limit(scene, intention):
        return replace(scene.turn(TurnResult.COMMAND, limit), otp_result=OtpResult.LIMITED)
    return _claim(scene, intention)


def try_again(scene: Scene) -> Turn | None:
    """Claim an intention that an outage left open, without the person's doing; None when there is nothing to do."""
    intention = scene.session.intention
    if intention is None or scene.otp_is_being_requested or scene.now - intention.since >= TRIED_AGAIN_FOR:
        return None
    return None if _sender_limit(scene, intention) else _claim(scene, intention)


def take_up(scene: Scene, known: RememberedReply) -> Turn:
    """A copy of a message whose turn began, but never ended: go on with it, or say how things stand by now."""
    intention = scene.session.intention
    if intention is None or intention.id != known.intention_id:
        return scene.turn(TurnResult.COMMAND, *scene.question())
    if intention.in_flight(scene.now):
        return scene.turn(TurnResult.COMMAND, Part("otp.in_progress"))
    return _claim(scene, intention)


def is_left_behind(session: UserSession, known: RememberedReply, now: datetime) -> bool:
    """Whether the turn of this message ended without a reply, and nobody is at work on its OTP any more."""
    intention = session.intention
    if known.reply is not None or intention is None or intention.id != known.intention_id:
        return False
    return not intention.in_flight(now) and now - intention.since >= TRIED_AGAIN_FOR


def without_intention(session: UserSession, contact: Contact) -> UserSession:
    """The session after its answers changed: another request, but a place that was not used up stays reserved."""
    intention = session.intention
    if intention is None:
        return session
    used = any(request.token == intention.reservation.token for request in contact.otp_requests)
    spare = session.spare_reservation if used else intention.reservation
    return replace(session, intention=None, spare_reservation=spare)


def settle(scene: Scene, request: RequestOtp, outcome: OtpOutcome) -> Turn:
    """What the outcome of ``request`` changes in the state as it is by now."""
    contact = scene.contact
    if outcome.result not in {OtpResult.SENT, OtpResult.AMBIGUOUS}:
        contact = contact.otp_not_sent(request.reservation.token)
    scene = replace(scene, contact=contact)
    intention = scene.session.intention
    if intention is None or intention.id != request.intention_id:
        return scene.turn_and_question(TurnResult.OUTCOME, Part("otp.superseded"))
    match outcome.result:
        case OtpResult.SENT:
            return _sent(scene, intention, outcome)
        case OtpResult.NOT_SENT:
            return _keep_open(scene, replace(intention, lease_until=None))
        case OtpResult.AMBIGUOUS:
            return _keep_open(scene, _next_attempt(intention))
        case OtpResult.LIMITED:
            reply = _limit_reply(scene, outcome.wait_seconds)
            return scene.turn(TurnResult.OUTCOME, reply, intention=None)
        case OtpResult.REFUSED | OtpResult.REFUSED_KNOWN_NUMBER:
            return _refused(scene, intention, outcome)


def _new_intention(scene: Scene, purpose: OtpPurpose) -> OtpIntention:
    # The id follows from person and message, so that computing the turn again can never make a second request.
    person = scene.message.person_id or scene.message.sender
    intention_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{person}/{scene.message.sid}"))
    phone = scene.session.data["phone"]
    spare = scene.session.spare_reservation
    reservation = spare if spare and spare.phone == phone else Reservation(f"{intention_id}.1", phone)
    return OtpIntention(intention_id, purpose, reservation, lease_until=None, since=scene.now)


def _next_attempt(intention: OtpIntention) -> OtpIntention:
    """Open again; the SMS may be out, so the next attempt takes a place of its own among the day's requests."""
    attempt = intention.attempt + 1
    reservation = replace(intention.reservation, token=f"{intention.id}.{attempt}")
    return replace(intention, lease_until=None, attempt=attempt, reservation=reservation)


def _claim(scene: Scene, intention: OtpIntention) -> Turn:
    trace_id = scene.message.trace_id or intention.trace_id
    intention = replace(intention, lease_until=scene.now + LEASE, trace_id=trace_id)
    contact = scene.contact.otp_requested(OtpRequest(intention.reservation.token, scene.now))
    turn = scene.turn(TurnResult.EFFECT, contact=contact, intention=intention, spare_reservation=None, wrong_answers=0)
    effect = RequestOtp(
        intention_id=intention.id,
        message_sid=scene.message.sid,
        reservation=intention.reservation,
        data=scene.session.data,
        requested_at=scene.now,
    )
    return replace(turn, effect=effect)


def _sender_limit(scene: Scene, intention: OtpIntention) -> Part | None:
    """The reply when this sender has asked too often, whatever the phone number."""
    others = [
        request
        for request in scene.contact.otp_requests
        if request.token != intention.reservation.token and scene.now - request.at < OTP_DAY
    ]
    if len(others) >= OTP_REQUESTS_A_DAY:
        return _limit_reply(scene, int(OTP_DAY.total_seconds()))
    wait = max((request.at + OTP_PAUSE - scene.now for request in others), default=timedelta())
    return _limit_reply(scene, math.ceil(wait.total_seconds())) if wait > timedelta() else None


def _limit_reply(scene: Scene, wait_seconds: int) -> Part:
    if wait_seconds > OTP_PAUSE.total_seconds():
        return Part("otp.limit_day")
    return Part("otp.limit_pause", {"count": wait_seconds, "word": _word_to_repeat(scene)})


def _word_to_repeat(scene: Scene) -> TextRef:
    return TextRef("word.login" if scene.step is OnboardingStep.COMPLETED else "word.yes")


def _sent(scene: Scene, intention: OtpIntention, outcome: OtpOutcome) -> Turn:
    if outcome.login_link is None:
        raise ValueError("an OTP that was sent comes with a login link")
    finishes = intention.purpose is OtpPurpose.SIGN_UP
    contact = scene.contact
    if finishes:
        contact = replace(contact, completed_at=scene.now, registration=dict(scene.session.data), draft=None)
    turn = scene.turn(
        TurnResult.OUTCOME,
        Part("completed.link" if finishes else "login.link", {"link": outcome.login_link}),
        contact=contact,
        current_step=OnboardingStep.COMPLETED,
        intention=None,
        handoff_id=intention.id,
    )
    return replace(turn, milestones=frozenset({Milestone.COMPLETED})) if finishes else turn


def _keep_open(scene: Scene, intention: OtpIntention) -> Turn:
    reply = Part("otp.unavailable", {"word": _word_to_repeat(scene)})
    return scene.turn(TurnResult.OUTCOME, reply, intention=intention)


def _refused(scene: Scene, intention: OtpIntention, outcome: OtpOutcome) -> Turn:
    known_number = outcome.result is OtpResult.REFUSED_KNOWN_NUMBER
    reason = Part("otp.refused_known_number" if known_number else "otp.refused")
    return scene.turn(
        TurnResult.OUTCOME,
        reason,
        *_how_to_correct(scene),
        intention=None,
        spare_reservation=intention.reservation,
    )


def _how_to_correct(scene: Scene) -> Reply:
    if scene.step is OnboardingStep.CONFIRMATION:
        return (Part("otp.refused_correct"),)
    return pending_question(scene.session, scene.message.sender)
