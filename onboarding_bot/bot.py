"""WhatsAppBot: the order of work for one message, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from onboarding_bot.analytics.counters import counters_of, day_counters_of
from onboarding_bot.analytics.figures import Figures, figures, period_figures
from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.engine import Engine
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import OnboardingStep, RememberedReply, UserSession
from onboarding_bot.conversation.turn import (
    InboundMessage,
    OtpOutcome,
    OtpResult,
    RequestOtp,
    Turn,
)
from onboarding_bot.errors import BusyError, LoginLinkExpiredError, StoreUnavailableError
from onboarding_bot.login_link import Handoff, LoginLinks
from onboarding_bot.observability import metrics
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.observability.tracing import Trace, current_trace, follow
from onboarding_bot.outbound.due_work import DueWork, Timetable
from onboarding_bot.rendering import ReplyRenderer
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.identities import Identities
from onboarding_bot.storage.session_store import Conflict, SessionStore, StoredPerson

# Twilio waits 15 s in all. What is left is for the network, and for the last commit.
TURN_SECONDS = 12.0
FALLBACK_SECONDS = 1.0
COPY_PAUSE_SECONDS = 0.1


class OtpService(Protocol):
    """Whoever can have an OTP sent."""

    def request_otp(self, request: RequestOtp, seconds_left: float) -> OtpResult:
        """Ask for it within ``seconds_left``; every ending is a result."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The times that the bot goes by: ``now`` for what is stored, ``monotonic`` and ``sleep`` for deadlines."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class LateNews:
    """What has to be told to somebody who is not waiting for a reply any more."""

    address: str
    text: str


# The person has read already that the answers are kept, and that YES tries again.
_WORTH_TELLING = frozenset({OtpResult.SENT, OtpResult.REFUSED, OtpResult.REFUSED_KNOWN_NUMBER})


class WhatsAppBot:
    """One for each process; it keeps nothing of a person in memory.

    ``identities`` finds the person behind a message's addresses; ``fallback_identities`` does so with a 0.5 s time-out
    and no retry, for the fallback, which has one second in all.
    """

    def __init__(
        self,
        store: SessionStore,
        identities: Identities,
        fallback_identities: Identities,
        erasures: Erasures,
        otp_service: OtpService,
        login_links: LoginLinks,
        renderer: ReplyRenderer,
        engine: Engine,
        timetable: Timetable,
        clock: Clock,
    ) -> None:
        self._store = store
        self._identities = identities
        self._fallback_identities = fallback_identities
        self._erasures = erasures
        self._otp_service = otp_service
        self._login_links = login_links
        self._renderer = renderer
        self._engine = engine
        self._timetable = timetable
        self._clock = clock
        self._failures = _UncountedFailures()

    def answer(self, message: InboundMessage) -> str:
        """The reply to one message, stored before it is returned; the same message again gets the same reply.

        Raises StoreUnavailableError when Redis does not answer and BusyError when the person's other messages kept
        winning: in both cases nothing is lost, and Twilio's retry brings the message back.
        """
        arrived = self._clock.monotonic()
        deadline = arrived + TURN_SECONDS
        message = replace(message, trace_id=current_trace().trace_id)
        known = self._find(message)
        while True:
            message = replace(message, person_id=known.person_id)
            before = _answered_before(known, message)
            if before and before.reply is not None:
                self._log("repeated", known, arrived)
                return self._render_again(before)
            if before and before.is_running(self._clock.now()):
                self._clock.sleep(COPY_PAUSE_SECONDS)
                known = self._find(message)
            else:
                turn = self._engine.advance(known.session, known.contact, message, self._clock.now())
                decide = self._erase if turn.erases else self._commit
                stored = decide(known, turn, arrived)
                if isinstance(stored, StoredPerson):
                    return self._finish(stored, turn, message, arrived)
                known = self._after_conflict(known, stored.newer, message, was_erasing=turn.erases)
            self._check_time(deadline)

    def _find(self, message: InboundMessage) -> StoredPerson:
        return self._identities.load(message.addresses, message.sid, self._clock.now())

    def _after_conflict(
        self, known: StoredPerson, newer: StoredPerson, message: InboundMessage, *, was_erasing: bool
    ) -> StoredPerson:
        """The person to compute the turn for again; who it is has to be found anew unless only the state moved on."""
        # Erased meanwhile, and perhaps by a copy of this very message; or joined with another record.
        is_another = newer.session is None or newer.alias != known.alias
        if is_another or was_erasing or known.joined_records or known.link_is_new:
            return self._find(message)
        return newer

    def try_otp_again(self, person_id: str) -> LateNews | None:
        """Ask once more for an OTP that an outage left open; what the person has to be told of it, if anything.

        Raises StoreUnavailableError. A YES meanwhile claims the same intention, and then there is nothing to do here.
        """
        known, now = self._store.load(person_id), self._clock.now()
        if (
            known.session is None
            or known.contact is None
            or self._timetable.due_times(known.session, known.contact, now).otp is None
        ):
            self._store.forget_due(DueWork.OTP, known)
            return None
        _go_on_with_the_trace_of(known.session)
        turn = self._engine.try_again(known.session, known.contact, now)
        if turn is None or turn.effect is None:
            return None
        began = self._clock.monotonic()
        stored = self._commit(known, turn, began)
        if isinstance(stored, Conflict):
            return None
        request = turn.effect
        outcome = self._perform(request, stored, began + TURN_SECONDS)

        def settle(person: StoredPerson) -> Turn:
            return self._engine.settle_late(
                person.session, person.contact, request, outcome, turn.contact.address, self._clock.now()
            )

        after, settled = self._commit_outcome(stored, settle, began)
        self._log(outcome.result, after, began, settled.step)
        if after.session is None or after.contact is None or outcome.result not in _WORTH_TELLING:
            return None
        # The number may have been passed on while the OTP was asked for.
        return LateNews(after.contact.address, self._renderer.render(settled.reply, _language(after)))

    def fall_back(self, message: InboundMessage) -> str:
        """For Twilio's fallback: the reply that this message was answered with, or else an apology.

        It computes no turn; one that is still running is waited for, a second at most.
        """
        deadline = self._clock.monotonic() + FALLBACK_SECONDS
        language = None
        try:
            while True:
                person = self._fallback_identities.peek(message.addresses, message.sid)
                language = _language(person)
                known = _answered_before(person, message)
                if known and known.reply is not None:
                    return self._render_again(known)
                if known is None or self._clock.monotonic() >= deadline:
                    break
                self._clock.sleep(COPY_PAUSE_SECONDS)
        except StoreUnavailableError as error:
            logger().error("fallback_without_store", code=error.code, **describe(error))
        self._failures.add()
        return self._renderer.render((Part("apology.try_again"),), language)

    def apologise(self, reference: str) -> str:
        """What a person reads after a fault of ours that no retry mends; it counts as a failure."""
        self._failures.add()
        return self._renderer.render((Part("apology.reference", {"reference": reference}),), None)

    def count_failure(self) -> None:
        """A webhook ended without a turn; the next commit writes it down."""
        self._failures.add()

    def hand_over(self, token: str) -> Mapping[str, str]:
        """The answers that a login link stands for: name, sector, pincode, phone.

        Raises LoginLinkError for a bad token, LoginLinkExpiredError for one that is too old or was replaced, and
        StoreUnavailableError.
        """
        handoff = self._login_links.read(token)
        person = self._identities.resolve(handoff.person_id)
        session = person.session
        if (
            session is None
            or session.current_step is not OnboardingStep.COMPLETED
            or session.handoff_id != handoff.handoff_id
        ):
            raise LoginLinkExpiredError("a newer link, or a new sign-up, has replaced this one")
        # The web app asks with a token only after the OTP was entered.
        self._identities.join_hidden_record(person, session.data["phone"], self._clock.now(), self._commit_unchanged)
        return session.data

    def figures(self, days: int = 1) -> Figures:
        """The figures of /stats, with those of the last ``days`` days in India. Raises StoreUnavailableError."""
        sums = self._store.add_up(self._clock.now(), days)
        return figures(sums.sessions, sums.counters, period_figures(sums.days, self._renderer.languages))

    def _finish(self, stored: StoredPerson, turn: Turn, message: InboundMessage, arrived: float) -> str:
        """The reply of a turn that is stored; with an effect it comes from the effect's outcome."""
        stored = self._identities.finish_joins(stored, self._clock.now(), self._commit_unchanged)
        self._log(turn.result, stored, arrived, turn.step)
        request = turn.effect
        if request is None:
            return self._renderer.render(turn.reply, _language(stored))
        outcome = self._perform(request, stored, arrived + TURN_SECONDS)

        def resume(person: StoredPerson) -> Turn:
            return self._engine.resume(person.session, person.contact, request, outcome, message, self._clock.now())

        after, resumed = self._commit_outcome(stored, resume, arrived)
        self._log(outcome.result, after, arrived, resumed.step)
        return self._renderer.render(resumed.reply, _language(after))

    def _commit(self, known: StoredPerson, turn: Turn, began: float) -> StoredPerson | Conflict:
        """Store the turn and what it counts. ``began`` is when its work began, by the monotonic clock."""
        now, waited = self._clock.now(), self._clock.monotonic() - began
        language = self._renderer.language_of(turn.contact.language)
        due = self._timetable.due_times(turn.session, turn.contact, now)
        failures = self._failures.take()
        was_stopped, is_stopped = (bool(contact and contact.opt_out) for contact in (known.contact, turn.contact))
        try:
            if turn.contact.opt_out and not was_stopped:
                self._identities.copy_opt_out(known, turn.contact.opt_out)
            stored = self._store.commit(
                known,
                turn.session,
                turn.contact,
                counters_of(turn, failures),
                now,
                due,
                day_counters_of(known.session, turn, language, now, waited),
            )
        except StoreUnavailableError:
            self._failures.add(failures)
            raise
        if isinstance(stored, Conflict):
            self._failures.add(failures)
        else:
            for milestone in turn.milestones:
                metrics.milestone_reached(milestone)
            if was_stopped and not is_stopped:
                self._identities.delete_opt_out_copies(stored)
        return stored

    def _commit_unchanged(self, known: StoredPerson, session: UserSession, contact: Contact) -> StoredPerson | Conflict:
        """Store a state that no message has changed."""
        now = self._clock.now()
        return self._store.commit(known, session, contact, {}, now, self._timetable.due_times(session, contact, now))

    def _erase(self, known: StoredPerson, turn: Turn, began: float) -> StoredPerson | Conflict:
        """Erase the person instead, and count the turn all the same; ``began`` as above."""
        now, waited = self._clock.now(), self._clock.monotonic() - began
        language = self._renderer.language_of(turn.contact.language)
        failures = self._failures.take()
        try:
            conflict = self._erasures.erase_as_known(
                known,
                now,
                address=turn.contact.address,
                erasure_reply=turn.session.remembered[-1],
                counters=counters_of(turn, failures),
                day_counters=day_counters_of(known.session, turn, language, now, waited),
            )
        except StoreUnavailableError:
            self._failures.add(failures)
            raise
        if conflict:
            self._failures.add(failures)
        # The reply is in the language that the person chose.
        return conflict or replace(known, session=None, contact=turn.contact)

    def _perform(self, request: RequestOtp, person: StoredPerson, deadline: float) -> OtpOutcome:
        wait_seconds = self._store.reserve_otp(request.reservation, self._clock.now())
        if wait_seconds:
            return OtpOutcome(OtpResult.LIMITED, wait_seconds=wait_seconds)
        result = self._otp_service.request_otp(request, deadline - self._clock.monotonic())
        if result is not OtpResult.SENT:
            return OtpOutcome(result)
        handoff = Handoff(person.person_id, request.intention_id)
        return OtpOutcome(result, self._login_links.make(handoff, request.data["phone"]))

    def _commit_outcome(
        self, known: StoredPerson, settle: Callable[[StoredPerson], Turn], began: float
    ) -> tuple[StoredPerson, Turn]:
        """Store what an outcome changes in the state as it is by now, however often that moves on meanwhile."""
        while True:
            turn = settle(known)
            stored = self._commit(known, turn, began)
            if isinstance(stored, StoredPerson):
                return stored, turn
            known = stored.newer
            if known.session is None:
                known = self._identities.resolve(known.person_id)
            if known.session is None:
                # The person was erased meanwhile, and an outcome brings nobody back.
                return known, settle(known)
            # What happened out there must be written down, even a moment after the reply was due.
            self._check_time(began + TURN_SECONDS + FALLBACK_SECONDS)

    def _check_time(self, deadline: float) -> None:
        if self._clock.monotonic() >= deadline:
            raise BusyError("the time for this message is over")

    def _render_again(self, known: RememberedReply) -> str:
        return self._renderer.render(known.reply or (), known.language)

    def _log(self, result: str, person: StoredPerson, began: float, step: OnboardingStep | None = None) -> None:
        after = person.session.current_step if person.session else None
        duration = round(self._clock.monotonic() - began, 4)
        logger().info("turn", outcome=result, step=step or after, next_step=after, duration=duration)
        metrics.turn_taken(step or after or OnboardingStep.WELCOME, result)


def _answered_before(person: StoredPerson, message: InboundMessage) -> RememberedReply | None:
    """What is known of this message, when it has been here before."""
    if person.erasure_reply:
        return person.erasure_reply
    return person.session.recall(message.sid) if person.session else None


def _go_on_with_the_trace_of(session: UserSession) -> None:
    """What a turn left to be done later belongs to that turn's trace."""
    if session.intention and session.intention.trace_id:
        follow(Trace(session.intention.trace_id))


def _language(person: StoredPerson) -> str | None:
    return person.contact.language if person.contact else None


class _UncountedFailures:
    """Webhooks that ended without a turn since this process last wrote to the store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self, count: int = 1) -> None:
        with self._lock:
            self._count += count

    def take(self) -> int:
        with self._lock:
            count, self._count = self._count, 0
            return count
