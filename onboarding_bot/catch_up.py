"""After an outage: finds the messages in Twilio's log that got no reply, and writes to each of their senders once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from onboarding_bot.conversation.consent import consent_command_in
from onboarding_bot.conversation.engine import Engine
from onboarding_bot.conversation.otp import is_abandoned
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.turn import InboundMessage, Milestone, Turn
from onboarding_bot.conversation.unanswered import UnansweredMessage
from onboarding_bot.outbound.sending_window import SENDING_WINDOW, WINDOW
from onboarding_bot.outbound.twilio_errors import Verdict, verdict_on
from onboarding_bot.progress import Progress, ignore_progress
from onboarding_bot.rendering import ReplyRenderer
from onboarding_bot.services.twilio_message_log import Direction, LoggedMessage, MessageLog
from onboarding_bot.services.twilio_messages import SendResult, Sent
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.identities import Identities
from onboarding_bot.storage.session_store import Conflict, StoredPerson
from onboarding_bot.turn_commit import TurnCommitter
from onboarding_bot.whatsapp_address import is_whatsapp

# How far an operator may look back: replies to older messages are outside of WhatsApp's window.
LONGEST_LOOK_BACK = WINDOW
# Twilio may still deliver a message of the last seconds: 15 s for its retries, and then the fallback.
DELIVERY_TIME = timedelta(seconds=60)
# The clocks of Twilio and of the bot's machines may differ, and a turn takes some seconds.
CLOCK_TOLERANCE = timedelta(seconds=60)
MOST_TRIES = 5


class CatchUpResult(StrEnum):
    """What a run does about one person who wrote; the values are what the operator reads."""

    BACK = "we are back, with the pending question"
    WELCOMED = "the welcome: their first message was lost"
    STOPPED = "a STOP was lost: recorded, and confirmed"
    RECORDED = "a word such as STOP was lost: recorded only"
    ANSWERED = "answered"
    OPTED_OUT = "not answered, but opted out: left alone"
    TOO_LATE = "not answered, but the 24-hour window is closing"
    UNDER_WAY = "wrote within the last minute: left to Twilio's own retries"
    ERASED = "erased since"
    NOT_WHATSAPP = "did not write on WhatsApp: left alone"
    REFUSED = "Twilio refused the message"
    UNCERTAIN = "Twilio did not say whether it took the message"
    NOT_SENT = "recorded, but Twilio took no message: stopped here"


WRITTEN_TO = frozenset({CatchUpResult.BACK, CatchUpResult.WELCOMED, CatchUpResult.STOPPED})
FAILED = frozenset({CatchUpResult.REFUSED, CatchUpResult.UNCERTAIN, CatchUpResult.NOT_SENT})


@dataclass(slots=True)
class CatchUpReport:
    """How many inbound messages Twilio's log has, and how many people met which result."""

    messages: int = 0
    results: Counter[CatchUpResult] = field(default_factory=Counter)


@dataclass(slots=True)
class _Sender:
    """A person who wrote: the last message, and the consent commands among all messages, the oldest first."""

    last: UnansweredMessage
    consent_commands: list[UnansweredMessage] = field(default_factory=list)

    def add(self, one: UnansweredMessage) -> None:
        """Twilio lists the latest first: of two messages in the same second the first one listed is the later one."""
        if one.at > self.last.at:
            self.last = one
        if consent_command_in(one.message.text):
            self.consent_commands.insert(0, one)

    @property
    def messages(self) -> list[UnansweredMessage]:
        earlier = sorted((one for one in self.consent_commands if one is not self.last), key=lambda one: one.at)
        return [*earlier, self.last]


class CatchUp:
    """Commits the reply first, with the message that it answers, and then sends it.

    So a second run, a second operator and Twilio's own late delivery find the message answered. A process that dies
    between the two steps leaves one person without the reply, and never with two. ``send`` takes an address and a text.
    """

    def __init__(
        self,
        identities: Identities,
        erasures: Erasures,
        engine: Engine,
        committer: TurnCommitter,
        renderer: ReplyRenderer,
        message_log: MessageLog,
        send: Callable[[str, str], Sent],
        *,
        own_address: str,
        languages: Iterable[str],
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._identities = identities
        self._erasures = erasures
        self._engine = engine
        self._committer = committer
        self._renderer = renderer
        self._message_log = message_log
        self._send = send
        self._own_address = own_address
        self._apologies = _apologies(renderer, languages)
        self._now = now
        self._sleep = sleep

    def run(self, since: timedelta, *, dry_run: bool, progress: Progress = ignore_progress) -> CatchUpReport:
        """Catch up with everybody who wrote within ``since``; a dry run only counts.

        Raises MessageLogError and StoreUnavailableError; the next run writes to nobody a second time.
        """
        report, begun = CatchUpReport(), self._now()
        senders = self._senders(begun - since, report, progress)
        erased = dict(self._erasures.log.erased_since(begun - since))
        for sender in sorted(senders, key=lambda sender: sender.last.at):
            result = self._catch_up_with(sender, begun, erased, dry_run=dry_run)
            report.results[result] += 1
            progress("people looked after", report.results.total(), len(senders))
            if result is CatchUpResult.NOT_SENT:
                break
        return report

    def _senders(self, since: datetime, report: CatchUpReport, progress: Progress) -> Collection[_Sender]:
        """One for each person, from all of the person's addresses."""
        senders: dict[str, _Sender] = {}
        person_ids: dict[str, str] = {}
        for logged in self._message_log.messages(recipient=self._own_address, since=since):
            if logged.direction is not Direction.INBOUND:
                continue
            report.messages += 1
            progress("messages read", report.messages, None)
            one = UnansweredMessage(InboundMessage(logged.sid, logged.sender, logged.text), logged.at)
            if logged.sender not in person_ids:
                person_ids[logged.sender] = self._identities.peek([logged.sender]).person_id
            senders.setdefault(person_ids[logged.sender], _Sender(one)).add(one)
        return senders.values()

    def _catch_up_with(
        self, sender: _Sender, begun: datetime, erased: Mapping[str, datetime], *, dry_run: bool
    ) -> CatchUpResult:
        last = sender.last
        if not is_whatsapp(last.message.sender):
            return CatchUpResult.NOT_WHATSAPP
        if last.at > begun - DELIVERY_TIME:
            return CatchUpResult.UNDER_WAY
        known = self._identities.peek(last.message.addresses, last.message.sid)
        if last.at <= erased.get(known.person_id, last.at - CLOCK_TOLERANCE):
            return CatchUpResult.ERASED
        while True:
            is_answered = self._is_answered(known, last)
            is_reachable = self._now() < last.at + SENDING_WINDOW
            turn = self._engine.answer_unanswered(
                known.session, known.contact, sender.messages, is_answered=is_answered, is_reachable=is_reachable
            )
            result = _result_of(turn, is_answered=is_answered, is_reachable=is_reachable)
            if turn is None or dry_run:
                return result
            stored = self._committer.commit(known, turn)
            if not isinstance(stored, Conflict):
                return self._send_reply(turn) or result
            known = stored.newer

    def _is_answered(self, known: StoredPerson, last: UnansweredMessage) -> bool:
        session, contact = known.session, known.contact
        remembered = known.erasure_reply or (session.recall(last.message.sid) if session else None)
        if remembered:
            return session is None or not is_abandoned(session, remembered, self._now())
        last_inbound_at = contact.last_inbound_at if contact and contact.address else None
        if last_inbound_at and last_inbound_at >= last.at + CLOCK_TOLERANCE:
            return True
        # A reply after all that the store knows: the store was restored from a backup.
        times = (last_inbound_at, session and session.updated_at)
        known_until = max((moment for moment in times if moment), default=None)
        replies = self._message_log.messages(sender=self._own_address, recipient=last.message.sender, since=last.at)
        return any(
            known_until is None or reply.at > known_until + CLOCK_TOLERANCE
            for reply in replies
            if reply.direction is Direction.REPLY and not self._is_apology(reply)
        )

    def _is_apology(self, reply: LoggedMessage) -> bool:
        return self._apologies.fullmatch(_with_single_spaces(reply.text)) is not None

    def _send_reply(self, turn: Turn) -> CatchUpResult | None:
        """Send the reply of a turn, if it has one; None unless Twilio did not take it."""
        if not turn.reply:
            return None
        text = self._renderer.render(turn.reply, turn.contact.language)
        sent = self._send(turn.contact.address, text)
        for attempt in range(1, MOST_TRIES):
            if sent.result is not SendResult.NOT_PROCESSED:
                break
            self._sleep(max(sent.retry_after or 0, 2.0**attempt))
            sent = self._send(turn.contact.address, text)
        match sent.result:
            case SendResult.ACCEPTED:
                return None
            case SendResult.UNCERTAIN:
                return CatchUpResult.UNCERTAIN
            case SendResult.REFUSED if verdict_on(sent.code) is not Verdict.STOP_BROADCAST:
                return CatchUpResult.REFUSED
            case _:
                return CatchUpResult.NOT_SENT


def _result_of(turn: Turn | None, *, is_answered: bool, is_reachable: bool) -> CatchUpResult:
    if turn is None:
        if is_answered:
            return CatchUpResult.ANSWERED
        return CatchUpResult.OPTED_OUT if is_reachable else CatchUpResult.TOO_LATE
    if not turn.reply:
        return CatchUpResult.RECORDED
    if turn.contact.opt_out:
        return CatchUpResult.STOPPED
    return CatchUpResult.WELCOMED if Milestone.STARTED in turn.milestones else CatchUpResult.BACK


def _apologies(renderer: ReplyRenderer, languages: Iterable[str]) -> re.Pattern[str]:
    """Matches the replies to messages that the bot could not handle: to Twilio they are replies, to the person none."""
    reference = "REFERENCE"
    parts = (Part("apology.try_again"), Part("apology.reference", {"reference": reference}))
    texts = {_with_single_spaces(renderer.render((part,), language)) for language in languages for part in parts}
    return re.compile("|".join(re.escape(text).replace(reference, r"\w+") for text in texts))


def _with_single_spaces(text: str) -> str:
    return " ".join(text.split())
