"""After an outage: finds the people whom nobody answered in Twilio's record, and writes to each of them once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from onboarding_bot.analytics.counters import counters_of, day_counters_of
from onboarding_bot.conversation.engine import Engine
from onboarding_bot.conversation.otp import is_left_behind
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.turn import InboundMessage, Milestone, Turn
from onboarding_bot.conversation.unanswered import MissedMessage, is_word_of_consent
from onboarding_bot.outbound.due_work import Timetable
from onboarding_bot.outbound.sending_window import SENDING_WINDOW
from onboarding_bot.outbound.twilio_errors import Verdict, verdict_on
from onboarding_bot.progress import Progress, untold
from onboarding_bot.rendering import ReplyRenderer
from onboarding_bot.services.twilio_message_log import Direction, LoggedMessage, MessageLog
from onboarding_bot.services.twilio_messages import SendResult, Sent
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.identities import Identities
from onboarding_bot.storage.session_store import Conflict, SessionStore, StoredPerson
from onboarding_bot.whatsapp_address import is_whatsapp

LONGEST = timedelta(hours=24)
# Twilio may still be at work on a message of the last seconds: 15 s for its retries, and then the fallback.
STILL_DELIVERED_FOR = timedelta(seconds=60)
# The clocks of Twilio and of the bot's machines may differ, and a turn takes its time.
TOLERANCE = timedelta(seconds=60)
MOST_TRIES = 5


class Fate(StrEnum):
    """What becomes of a person who wrote: the first four are told something, or would be in a dry run."""

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


TOLD = frozenset({Fate.BACK, Fate.WELCOMED, Fate.STOPPED})
FAILED = frozenset({Fate.REFUSED, Fate.UNCERTAIN, Fate.NOT_SENT})


@dataclass(slots=True)
class Report:
    """How many messages were looked at, and what became of how many people."""

    messages: int = 0
    people: Counter[Fate] = field(default_factory=Counter)


@dataclass(slots=True)
class _Writer:
    """Somebody who wrote: the last message, and the words of consent among all of them, the oldest first."""

    last: MissedMessage
    words: list[MissedMessage] = field(default_factory=list)

    def add(self, one: MissedMessage) -> None:
        """Twilio lists the latest first: of two in the same second the one that came up earlier is the later one."""
        if one.at > self.last.at:
            self.last = one
        if is_word_of_consent(one.message.text):
            self.words.insert(0, one)

    @property
    def missed(self) -> list[MissedMessage]:
        words = sorted((word for word in self.words if word is not self.last), key=lambda word: word.at)
        return [*words, self.last]


class CatchUp:
    """Writes the reply into the session first, with the message that it answers, and sends it then.

    So a second run, a second operator and Twilio's own late delivery find it answered. Whoever dies between the two
    steps leaves that one person without the message, and never with two.
    """

    def __init__(
        self,
        store: SessionStore,
        identities: Identities,
        erasures: Erasures,
        engine: Engine,
        timetable: Timetable,
        renderer: ReplyRenderer,
        log: MessageLog,
        send: Callable[[str, str], Sent],
        *,
        own_address: str,
        languages: Iterable[str],
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._store = store
        self._identities = identities
        self._erasures = erasures
        self._engine = engine
        self._timetable = timetable
        self._renderer = renderer
        self._log = log
        self._send = send
        self._own_address = own_address
        self._apologies = _apologies(renderer, languages)
        self._now = now
        self._sleep = sleep

    def run(self, since: timedelta, *, dry_run: bool, progress: Progress = untold) -> Report:
        """Look after everybody who wrote within ``since``; a dry run only counts.

        Raises MessageLogError and StoreUnavailableError. Who was written to by then is not written to again.
        """
        report, begun = Report(), self._now()
        writers = self._writers(begun - since, report, progress)
        erased = dict(self._erasures.log.erased_since(begun - since))
        for writer in sorted(writers, key=lambda writer: writer.last.at):
            fate = self._look_after(writer, begun, erased, dry_run=dry_run)
            report.people[fate] += 1
            progress("people looked after", report.people.total(), len(writers))
            if fate is Fate.NOT_SENT:
                break
        return report

    def _writers(self, since: datetime, report: Report, progress: Progress) -> Collection[_Writer]:
        """One for each person, whichever addresses the messages came from."""
        writers: dict[str, _Writer] = {}
        people: dict[str, str] = {}
        for logged in self._log.messages(recipient=self._own_address, since=since):
            if logged.direction is not Direction.INBOUND:
                continue
            report.messages += 1
            progress("messages read", report.messages, None)
            one = MissedMessage(InboundMessage(logged.sid, logged.sender, logged.text), logged.at)
            if logged.sender not in people:
                people[logged.sender] = self._identities.peek([logged.sender]).person_id
            writers.setdefault(people[logged.sender], _Writer(one)).add(one)
        return writers.values()

    def _look_after(self, writer: _Writer, begun: datetime, erased: Mapping[str, datetime], *, dry_run: bool) -> Fate:
        last = writer.last
        if not is_whatsapp(last.message.sender):
            return Fate.NOT_WHATSAPP
        if last.at > begun - STILL_DELIVERED_FOR:
            return Fate.UNDER_WAY
        known = self._identities.peek(last.message.addresses, last.message.sid)
        if last.at <= erased.get(known.person_id, last.at - TOLERANCE):
            return Fate.ERASED
        while True:
            is_answered = self._is_answered(known, last)
            is_reachable = self._now() < last.at + SENDING_WINDOW
            turn = self._engine.catch_up(
                known.session, known.contact, writer.missed, is_answered=is_answered, is_reachable=is_reachable
            )
            fate = _fate(turn, is_answered=is_answered, is_reachable=is_reachable)
            if turn is None or dry_run:
                return fate
            stored = self._commit(known, turn)
            if not isinstance(stored, Conflict):
                return self._tell(turn) or fate
            known = stored.newer

    def _commit(self, known: StoredPerson, turn: Turn) -> StoredPerson | Conflict:
        now, language = self._now(), self._renderer.language_of(turn.contact.language)
        opt_out, was_stopped = turn.contact.opt_out, bool(known.contact and known.contact.opt_out)
        if opt_out and not was_stopped:
            self._identities.copy_opt_out(known, opt_out)
        stored = self._store.commit(
            known,
            turn.session,
            turn.contact,
            counters_of(turn, failures=0),
            now,
            self._timetable.due_times(turn.session, turn.contact, now),
            day_counters_of(known.session, turn, language, now, waited_seconds=0),
        )
        if isinstance(stored, StoredPerson) and was_stopped and not opt_out:
            self._identities.delete_opt_out_copies(stored)
        return stored

    def _is_answered(self, known: StoredPerson, last: MissedMessage) -> bool:
        session, contact = known.session, known.contact
        remembered = known.erasure_reply or (session.recall(last.message.sid) if session else None)
        if remembered:
            return session is None or not is_left_behind(session, remembered, self._now())
        heard_at = contact.last_inbound_at if contact and contact.address else None
        if heard_at and heard_at >= last.at + TOLERANCE:
            return True
        # A reply that the store knows nothing of: the store is a restored one, and forgot.
        known_until = max((moment for moment in (heard_at, session and session.updated_at) if moment), default=None)
        replies = self._log.messages(sender=self._own_address, recipient=last.message.sender, since=last.at)
        return any(
            known_until is None or reply.at > known_until + TOLERANCE
            for reply in replies
            if reply.direction is Direction.REPLY and not self._is_apology(reply)
        )

    def _is_apology(self, reply: LoggedMessage) -> bool:
        return self._apologies.fullmatch(_plain(reply.text)) is not None

    def _tell(self, turn: Turn) -> Fate | None:
        """Send what there is to say; None when Twilio took it, or when it was only to be written down."""
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
                return Fate.UNCERTAIN
            case SendResult.REFUSED if verdict_on(sent.code) is not Verdict.STOP_BROADCAST:
                return Fate.REFUSED
            case _:
                return Fate.NOT_SENT


def _fate(turn: Turn | None, *, is_answered: bool, is_reachable: bool) -> Fate:
    if turn is None:
        if is_answered:
            return Fate.ANSWERED
        return Fate.OPTED_OUT if is_reachable else Fate.TOO_LATE
    if not turn.reply:
        return Fate.RECORDED
    if turn.contact.opt_out:
        return Fate.STOPPED
    return Fate.WELCOMED if Milestone.STARTED in turn.milestones else Fate.BACK


def _apologies(renderer: ReplyRenderer, languages: Iterable[str]) -> re.Pattern[str]:
    """What the bot says when it could not handle a message: no answer, whatever Twilio calls it."""
    reference = "REFERENCE"
    parts = (Part("apology.try_again"), Part("apology.reference", {"reference": reference}))
    texts = {_plain(renderer.render((part,), language)) for language in languages for part in parts}
    return re.compile("|".join(re.escape(text).replace(reference, r"\w+") for text in texts))


def _plain(text: str) -> str:
    return " ".join(text.split())
