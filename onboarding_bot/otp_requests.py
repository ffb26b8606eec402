"""Carries out a turn's OTP request: the per-phone limit, the call to the OTP service, and the commit of its outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from onboarding_bot.clock import Clock
from onboarding_bot.conversation.turn import OtpOutcome, OtpResult, RequestOtp, Turn
from onboarding_bot.errors import BusyError
from onboarding_bot.login_link import Handoff, LoginLinks
from onboarding_bot.storage.identities import Identities
from onboarding_bot.storage.session_store import SessionStore, StoredPerson
from onboarding_bot.turn_commit import TurnCommitter, log_turn

# Twilio waits 15 s in all. What is left is for the network, and for the last commit.
TURN_SECONDS = 12.0
# An outcome is stored even a moment after the reply was due: the SMS is out.
OUTCOME_GRACE_SECONDS = 1.0


class OtpService(Protocol):
    """A service that sends OTPs."""

    def request_otp(self, request: RequestOtp, seconds_left: float) -> OtpResult:
        """Request an OTP within ``seconds_left``; every ending is a result, and none is an exception."""


class OtpRequests:
    """Carries out ``RequestOtp`` effects whose intention is stored already."""

    def __init__(
        self,
        store: SessionStore,
        identities: Identities,
        committer: TurnCommitter,
        otp_service: OtpService,
        login_links: LoginLinks,
        clock: Clock,
    ) -> None:
        self._store = store
        self._identities = identities
        self._committer = committer
        self._otp_service = otp_service
        self._login_links = login_links
        self._clock = clock

    def carry_out(
        self,
        request: RequestOtp,
        person: StoredPerson,
        began: float,
        apply: Callable[[StoredPerson, OtpOutcome], Turn],
    ) -> tuple[StoredPerson, Turn]:
        """Request the OTP, and store the turn that ``apply`` makes of the outcome and of the state as it is by then.

        ``began`` is when the work on the message began, by the monotonic clock. Returns the person as stored, and that
        turn. Raises StoreUnavailableError, and BusyError when other messages kept winning until the time was over.
        """
        outcome = self._request(request, person, began + TURN_SECONDS)
        after, turn = self._commit_outcome(person, outcome, apply, began)
        log_turn(outcome.result, after, self._clock.monotonic() - began, turn.step)
        return after, turn

    def _request(self, request: RequestOtp, person: StoredPerson, deadline: float) -> OtpOutcome:
        wait_seconds = self._store.reserve_otp(request.reservation, self._clock.now())
        if wait_seconds:
            return OtpOutcome(OtpResult.LIMITED, wait_seconds=wait_seconds)
        result = self._otp_service.request_otp(request, deadline - self._clock.monotonic())
        if result is not OtpResult.SENT:
            return OtpOutcome(result)
        handoff = Handoff(person.person_id, request.intention_id)
        return OtpOutcome(result, self._login_links.make(handoff, request.data["phone"]))

    def _commit_outcome(
        self,
        known: StoredPerson,
        outcome: OtpOutcome,
        apply: Callable[[StoredPerson, OtpOutcome], Turn],
        began: float,
    ) -> tuple[StoredPerson, Turn]:
        while True:
            turn = apply(known, outcome)
            stored = self._committer.commit(known, turn, self._clock.monotonic() - began)
            if isinstance(stored, StoredPerson):
                return stored, turn
            known = stored.newer
            if known.session is None:
                known = self._identities.resolve(known.person_id)
            if known.session is None:
                # The person was erased meanwhile, and an outcome brings nobody back.
                return known, apply(known, outcome)
            if self._clock.monotonic() >= began + TURN_SECONDS + OUTCOME_GRACE_SECONDS:
                raise BusyError("the person's other messages kept winning")
