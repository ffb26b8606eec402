"""WhatsAppBot: the order of work for one message, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from onboarding_bot.clock import Clock
from onboarding_bot.conversation.engine import Engine
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import RememberedReply
from onboarding_bot.conversation.turn import InboundMessage, OtpOutcome, Turn
from onboarding_bot.errors import BusyError, StoreUnavailableError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.observability.tracing import current_trace
from onboarding_bot.otp_requests import TURN_SECONDS, OtpRequests
from onboarding_bot.rendering import ReplyRenderer
from onboarding_bot.storage.identities import Identities
from onboarding_bot.storage.session_store import Conflict, StoredPerson
from onboarding_bot.turn_commit import TurnCommitter, log_turn

FALLBACK_SECONDS = 1.0
# How long a copy of a message waits before it looks again for the reply of the turn that is running.
COPY_PAUSE_SECONDS = 0.1


class WhatsAppBot:
    """One for each process; it keeps nothing of a person in memory.

    ``identities`` finds the person behind a message's addresses; ``fallback_identities`` does so with a 0.5 s time-out
    and no retry, for the fallback, which has one second in all.
    """

    def __init__(
        self,
        identities: Identities,
        fallback_identities: Identities,
        engine: Engine,
        committer: TurnCommitter,
        otp_requests: OtpRequests,
        renderer: ReplyRenderer,
        clock: Clock,
    ) -> None:
        self._identities = identities
        self._fallback_identities = fallback_identities
        self._engine = engine
        self._committer = committer
        self._otp_requests = otp_requests
        self._renderer = renderer
        self._clock = clock

    def answer(self, message: InboundMessage) -> str:
        """The reply to one message, stored before it is returned; the same message again gets the same reply.

        Raises StoreUnavailableError when Redis does not answer and BusyError when the person's other messages kept
        winning: in both cases nothing is lost, and Twilio's retry brings the message back.
        """
        began = self._clock.monotonic()
        message = replace(message, trace_id=current_trace().trace_id)
        known = self._load(message)
        while True:
            message = replace(message, person_id=known.person_id)
            earlier = _earlier_reply(known, message)
            if earlier and earlier.reply is not None:
                log_turn("repeated", known, self._seconds_since(began))
                return self._render_earlier(earlier)
            if earlier and earlier.is_running(self._clock.now()):
                self._clock.sleep(COPY_PAUSE_SECONDS)
                known = self._load(message)
            else:
                turn = self._engine.advance(known.session, known.contact, message, self._clock.now())
                stored = self._committer.commit(known, turn, self._seconds_since(began))
                if isinstance(stored, StoredPerson):
                    return self._reply(stored, turn, message, began)
                known = self._reload(known, stored, message, is_erasing=turn.erases)
            if self._seconds_since(began) >= TURN_SECONDS:
                raise BusyError("the time for this message is over")

    def fall_back(self, message: InboundMessage) -> str:
        """For Twilio's fallback: the reply that this message was answered with, or else an apology.

        It computes no turn; it waits for one that is still running, a second at most.
        """
        began = self._clock.monotonic()
        language = None
        try:
            while True:
                person = self._fallback_identities.peek(message.addresses, message.sid)
                language = _language(person)
                earlier = _earlier_reply(person, message)
                if earlier and earlier.reply is not None:
                    return self._render_earlier(earlier)
                if earlier is None or self._seconds_since(began) >= FALLBACK_SECONDS:
                    break
                self._clock.sleep(COPY_PAUSE_SECONDS)
        except StoreUnavailableError as error:
            logger().error("fallback_without_store", code=error.code, **describe(error))
        self.count_failure()
        return self._renderer.render((Part("apology.try_again"),), language)

    def apologise(self, reference: str) -> str:
        """The reply after a fault of ours that no retry mends; it counts as a failure."""
        self.count_failure()
        return self._renderer.render((Part("apology.reference", {"reference": reference}),), None)

    def count_failure(self) -> None:
        """Note that a webhook ended without a turn; the next commit of this process adds it to the counters."""
        self._committer.count_failure()

    def _load(self, message: InboundMessage) -> StoredPerson:
        return self._identities.load(message.addresses, message.sid, self._clock.now())

    def _reload(
        self, known: StoredPerson, conflict: Conflict, message: InboundMessage, *, is_erasing: bool
    ) -> StoredPerson:
        """The person to compute the turn for again; who it is has to be found anew unless only the state moved on."""
        newer = conflict.newer
        # Erased meanwhile, and perhaps by a copy of this very message; or joined with another record.
        is_another = newer.session is None or newer.alias != known.alias
        if is_another or is_erasing or known.joined_records or known.link_is_new:
            return self._load(message)
        return newer

    def _reply(self, stored: StoredPerson, turn: Turn, message: InboundMessage, began: float) -> str:
        """The reply of a turn that is stored; with an effect it comes from the effect's outcome."""
        log_turn(turn.result, stored, self._seconds_since(began), turn.step)
        if request := turn.effect:

            def resume(person: StoredPerson, outcome: OtpOutcome) -> Turn:
                return self._engine.resume(person.session, person.contact, request, outcome, message, self._clock.now())

            stored, turn = self._otp_requests.carry_out(request, stored, began, resume)
        return self._renderer.render(turn.reply, _language(stored))

    def _render_earlier(self, earlier: RememberedReply) -> str:
        return self._renderer.render(earlier.reply or (), earlier.language)

    def _seconds_since(self, began: float) -> float:
        return self._clock.monotonic() - began


def _earlier_reply(person: StoredPerson, message: InboundMessage) -> RememberedReply | None:
    """What is remembered of this message, if it came before."""
    if person.erasure_reply:
        return person.erasure_reply
    return person.session.recall(message.sid) if person.session else None


def _language(person: StoredPerson) -> str | None:
    return person.contact.language if person.contact else None
