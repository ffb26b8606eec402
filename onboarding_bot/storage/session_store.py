"""What the bot expects of a session store, whatever is behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from onboarding_bot.conversation.addresses import Link
from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.session import OnboardingStep, RememberedReply, Reservation, UserSession
from onboarding_bot.outbound.due_work import DueTimes, DueWork

NOTHING_DUE = DueTimes()
NOTHING_COUNTED: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class StoredPerson:
    """What is stored of one person, and the versions that a commit has to meet.

    ``goodbye`` is what the message at hand is answered with when it came before the person was erased, or asked for it.

    ``link`` holds the person's addresses; the next commit writes it when it ``link_is_new``. ``alias`` says to whom the
    address went whose hash is the person's id, as it stands in Redis. ``absorbs`` are the records that this one was
    joined with, and that end once the joined state is stored.
    """

    person_id: str
    session: UserSession | None
    contact: Contact | None
    session_version: bytes = b""
    contact_version: bytes = b""
    goodbye: RememberedReply | None = None
    link: Link | None = None
    link_is_new: bool = False
    alias: bytes = b""
    absorbs: tuple[StoredPerson, ...] = ()

    @property
    def is_recorded(self) -> bool:
        """Whether there is a session or a contact record."""
        return bool(self.session_version or self.contact_version)

    @property
    def is_fresh(self) -> bool:
        """Whether nothing at all is stored, not even an opt-out."""
        return not self.is_recorded and self.contact is None and not self.alias


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody else's commit came first; nothing was written. ``newer`` is the state as it is now."""

    newer: StoredPerson


@dataclass(frozen=True, slots=True)
class Sums:
    """All shards together: live sessions in each step, every counter since the beginning, and those of some days.

    ``days`` begins with the oldest and ends with today, in Indian time. No day is missing; each has the row of numbers
    that ``analytics.positions`` names.
    """

    sessions: Mapping[OnboardingStep, int]
    counters: Mapping[str, int]
    days: Mapping[date, Sequence[int]]


class SessionStore(Protocol):
    """Keeps people. Every method raises StoreUnavailableError when the store does not answer in time."""

    def identify(self, sender: str) -> str:
        """The person's id: a keyed hash of ``From`` that never changes, and says nothing without the key."""

    def load(self, person_id: str, message_sid: str = "") -> StoredPerson:
        """What is stored of this person; a value that cannot be decrypted or read counts as absent.

        With ``message_sid`` also whether that message is one of those before an erasure.
        """

    def commit(
        self,
        known: StoredPerson,
        session: UserSession,
        contact: Contact,
        counters: Mapping[str, int],
        now: datetime,
        due: DueTimes = NOTHING_DUE,
        day_counters: Mapping[str, int] = NOTHING_COUNTED,
    ) -> StoredPerson | Conflict:
        """Write session, contact, step index, due work and counters together, if nothing changed since ``known``.

        ``counters`` count for good and for the day, ``day_counters`` for the day alone: the one that ``now`` is in.
        Returns the person as stored now, with the versions for the next commit.
        """

    def amend(self, known: StoredPerson, contact: Contact, *, is_reviewed: bool = False) -> StoredPerson | Conflict:
        """Write consents and opt-out that somebody else told of, if the contact record is as in ``known``.

        A yes to service messages that was there before counts from now on when it ``is_reviewed``. Of somebody without
        a record the opt-out alone is written. Nothing lives longer for it.
        """

    def reserve_otp(self, reservation: Reservation, now: datetime) -> int:
        """Take a place among a phone number's OTP requests of the day; the same token takes one place only.

        Returns 0 when it is granted, else the seconds until the number may be asked for again.
        """

    def add_up(self, now: datetime, days: int = 1) -> Sums:
        """Live sessions by step and all counters: a fixed number of look-ups, never a scan of keys."""

    def count_expired_sessions(self, now: datetime) -> None:
        """Count the sessions that have ended, and roll up the days that are over. Running it twice changes nothing."""

    def take_due(self, now: datetime, lease: timedelta) -> list[tuple[DueWork, str]]:
        """What is due, for which person or broadcast; due again after ``lease``, unless that is said otherwise.

        Work of a kind that only a later release knows is neither returned nor moved.
        """

    def forget_due(self, work: DueWork, known: StoredPerson) -> None:
        """There is nothing (more) to be done for this person, unless the session changed since ``known``."""

    def forget_silent_people(self, now: datetime) -> None:
        """Take those out of the index of contacts whose record has expired; their own keys are gone by then."""
