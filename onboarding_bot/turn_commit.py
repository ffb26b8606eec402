"""Stores a turn: session, contact, counters and due times in one commit, and an opt-out's copies; or an erasure."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from onboarding_bot.analytics.counters import counters_of, day_counters_of
from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.conversation.turn import Turn
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.observability import metrics
from onboarding_bot.observability.logs import logger
from onboarding_bot.outbound.due_work import Timetable
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.identities import Identities
from onboarding_bot.storage.session_store import Conflict, SessionStore, StoredPerson


class TurnCommitter:
    """Stores turns of webhooks, reminders, OTP retries and catch-ups alike; one for each process.

    Every method raises StoreUnavailableError when Redis does not answer in time.
    """

    def __init__(
        self,
        store: SessionStore,
        identities: Identities,
        erasures: Erasures,
        timetable: Timetable,
        default_language: str,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._identities = identities
        self._erasures = erasures
        self._timetable = timetable
        self._default_language = default_language
        self._now = now
        self._failures = _UncountedFailures()

    def commit(self, known: StoredPerson, turn: Turn, waited_seconds: float = 0.0) -> StoredPerson | Conflict:
        """Store ``turn`` and what it counts, if nothing changed since ``known`` was loaded; a conflict stores nothing.

        Of a turn that ``erases``, the person is erased instead. ``waited_seconds`` is how long the sender of a webhook
        has waited so far. Returns the person as stored, with the versions for the next commit.
        """
        now, failures = self._now(), self._failures.take()
        counters = counters_of(turn, failures)
        language = turn.contact.language or self._default_language
        day_counters = day_counters_of(known.session, turn, language, now, waited_seconds)
        write = self._erase if turn.erases else self._write
        try:
            stored = write(known, turn, now, counters, day_counters)
        except StoreUnavailableError:
            self._failures.add(failures)
            raise
        if isinstance(stored, Conflict):
            self._failures.add(failures)
            return stored
        for milestone in turn.milestones:
            metrics.milestone_reached(milestone)
        return self._identities.finish_joins(stored, now, self.commit_joined)

    def commit_joined(self, known: StoredPerson, session: UserSession, contact: Contact) -> StoredPerson | Conflict:
        """Store the state of two records that were joined, which no message has changed and no counter counts."""
        now = self._now()
        return self._store.commit(known, session, contact, {}, now, self._timetable.due_times(session, contact, now))

    def count_failure(self) -> None:
        """Note that a webhook ended without a turn; the next commit of this process adds it to the counters."""
        self._failures.add()

    def _write(
        self, known: StoredPerson, turn: Turn, now: datetime, counters: dict[str, int], day_counters: dict[str, int]
    ) -> StoredPerson | Conflict:
        session, contact = turn.session, turn.contact
        opt_out, was_opted_out = contact.opt_out, bool(known.contact and known.contact.opt_out)
        if opt_out and not was_opted_out:
            self._identities.copy_opt_out(known, opt_out)
        due_times = self._timetable.due_times(session, contact, now)
        stored = self._store.commit(known, session, contact, counters, now, due_times, day_counters)
        if isinstance(stored, StoredPerson) and was_opted_out and not opt_out:
            self._identities.delete_opt_out_copies(stored)
        return stored

    def _erase(
        self, known: StoredPerson, turn: Turn, now: datetime, counters: dict[str, int], day_counters: dict[str, int]
    ) -> StoredPerson | Conflict:
        conflict = self._erasures.erase_as_known(
            known,
            now,
            address=turn.contact.address,
            erasure_reply=turn.session.remembered[-1],
            counters=counters,
            day_counters=day_counters,
        )
        # The reply is written in the language that the contact record named.
        return conflict or replace(known, session=None, contact=turn.contact)


def log_turn(outcome: str, person: StoredPerson, seconds: float, step: OnboardingStep | None = None) -> None:
    """Write the log line and the metric of one turn that is stored, or of a reply that is repeated.

    ``step`` is the step that the message found, ``seconds`` how long the work on it took.
    """
    next_step = person.session.current_step if person.session else None
    logger().info("turn", outcome=outcome, step=step or next_step, next_step=next_step, duration=round(seconds, 4))
    metrics.turn_taken(step or next_step or OnboardingStep.WELCOME, outcome)


class _UncountedFailures:
    """How many webhooks ended without a turn since this process last wrote to the store."""

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
