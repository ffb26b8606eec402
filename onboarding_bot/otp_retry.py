"""Retries an OTP request that an outage left open, and sends the outcome as a notification outside a webhook."""

from __future__ import annotations

from collections.abc import Callable

from onboarding_bot.clock import Clock
from onboarding_bot.conversation.engine import Engine
from onboarding_bot.conversation.session import UserSession
from onboarding_bot.conversation.turn import OtpOutcome, OtpResult, Turn
from onboarding_bot.observability.logs import logger
from onboarding_bot.observability.tracing import Trace, follow
from onboarding_bot.otp_requests import OtpRequests
from onboarding_bot.outbound.due_work import DueWork, Timetable
from onboarding_bot.rendering import ReplyRenderer
from onboarding_bot.services.twilio_messages import Sent
from onboarding_bot.storage.session_store import Conflict, SessionStore, StoredPerson
from onboarding_bot.turn_commit import TurnCommitter

# Of other results the person knows enough: the reply to YES said that the answers are kept, and that YES tries again.
_WORTH_A_NOTIFICATION = frozenset({OtpResult.SENT, OtpResult.REFUSED, OtpResult.REFUSED_KNOWN_NUMBER})


class OtpRetry:
    """The worker's part of an OTP request; ``send`` takes an address and a text."""

    def __init__(
        self,
        store: SessionStore,
        engine: Engine,
        timetable: Timetable,
        committer: TurnCommitter,
        otp_requests: OtpRequests,
        renderer: ReplyRenderer,
        send: Callable[[str, str], Sent],
        clock: Clock,
    ) -> None:
        self._store = store
        self._engine = engine
        self._timetable = timetable
        self._committer = committer
        self._otp_requests = otp_requests
        self._renderer = renderer
        self._send = send
        self._clock = clock

    def retry(self, person_id: str) -> None:
        """Request the person's open OTP once more, and notify the person of an outcome that matters.

        Does nothing when a YES has claimed the same intention meanwhile. Raises StoreUnavailableError and BusyError.
        """
        known, now, began = self._store.load(person_id), self._clock.now(), self._clock.monotonic()
        if (
            known.session is None
            or known.contact is None
            or self._timetable.due_times(known.session, known.contact, now).otp is None
        ):
            self._store.forget_due(DueWork.OTP, known)
            return
        _continue_trace(known.session)
        turn = self._engine.retry_otp(known.session, known.contact, now)
        if turn is None or turn.effect is None:
            return
        stored = self._committer.commit(known, turn)
        if isinstance(stored, Conflict):
            return
        request, address = turn.effect, turn.contact.address

        def apply(person: StoredPerson, outcome: OtpOutcome) -> Turn:
            return self._engine.resume_retry(
                person.session, person.contact, request, outcome, address, self._clock.now()
            )

        after, settled = self._otp_requests.carry_out(request, stored, began, apply)
        if after.session and after.contact and settled.otp_result in _WORTH_A_NOTIFICATION:
            # The number may have been passed on during the request: the address is the one that is stored by now.
            text = self._renderer.render(settled.reply, after.contact.language)
            sent = self._send(after.contact.address, text)
            logger().info("late_otp_news", outcome=sent.result, code=sent.code)


def _continue_trace(session: UserSession) -> None:
    """Continue the trace of the turn that left the OTP request open."""
    if session.intention and session.intention.trace_id:
        follow(Trace(session.intention.trace_id))
