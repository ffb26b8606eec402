"""The session store as the use cases see it: a protocol, and what its methods take and return."""

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
    """What is stored of one person, and the versions of session and contact record that a commit replaces.

    ``erasure_reply`` answers the message at hand when that asked for the erasure of the person, or came before it.

    ``link`` holds the person's addresses; the next commit writes it when ``link_is_new``. ``alias`` is the alias of the
    address whose hash is the person's id, as it stands in Redis. ``joined_records`` were joined with this one, and end
    once the joined state is stored.
    """

    person_id: str
    session: UserSession | None
    contact: Contact | None
    session_version: bytes = b""
    contact_version: bytes = b""
    erasure_reply: RememberedReply | None = None
    link: Link | None = None
    link_is_new: bool = False
    alias: bytes = b""
    joined_records: tuple[StoredPerson, ...] = ()

    @property
    def has_record(self) -> bool:
        """Whether there is a session or a contact record."""
        return bool(self.session_version or self.contact_version)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is stored, not even an opt-out."""
        return not self.has_record and self.contact is None and not self.alias


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another commit came first; nothing was written. ``newer`` is the person as stored now."""

    newer: StoredPerson


@dataclass(frozen=True, slots=True)
class Sums:
    """All shards together: live sessions in each step, all counters since the beginning, and those of some days.

    ``days`` begins with the oldest and ends with today, in Indian time. No day is missing; each has a row of numbers,
    in the order of ``analytics.counter_layout``.
    """

    sessions: Mapping[OnboardingStep, int]
    counters: Mapping[str, int]
    days: Mapping[date, Sequence[int]]


class SessionStore(Protocol):
    """Stores people. Every method raises StoreUnavailableError when the store does not answer in time."""

    def identify(self, sender: str) -> str:
        """The person's id: a keyed hash of ``From`` that never changes, and tells nothing without the key."""

    def load(self, person_id: str, message_sid: str = "") -> StoredPerson:
        """What is stored of this person; a value that cannot be decrypted or parsed counts as absent.

        With ``message_sid`` also the ``erasure_reply`` to that message.
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
        """Write consents and opt-out without a message of the person, if the contact record is as in ``known``.

        A consent to service messages that was there before counts from now on when it ``is_reviewed``. Without a
        contact record the opt-out alone is written. Nothing lives longer for it.
        """

    def reserve_otp(self, reservation: Reservation, now: datetime) -> int:
        """Add one entry to the per-phone daily OTP limit; the same token has one entry only.

        Returns 0 when the OTP may be requested, else the seconds until it may.
        """

    def add_up(self, now: datetime, days: int = 1) -> Sums:
        """The sums for the last ``days`` days including today: a fixed number of look-ups, never a scan of keys."""

    def count_expired_sessions(self, now: datetime) -> None:
        """Count the sessions that have expired, and roll up the days that are over. A repeat changes nothing."""

    def take_due(self, now: datetime, lease: timedelta) -> list[tuple[DueWork, str]]:
        """What is due, for which person, broadcast or deletion; due again after ``lease``, unless it is forgotten.

        Work of a kind that only a later release knows is neither returned nor moved.
        """

    def forget_due(self, work: DueWork, known: StoredPerson) -> None:
        """Take this work out of what is due for the person, unless the session changed since ``known``."""

    def forget_silent_people(self, now: datetime) -> None:
        """Take people whose contact record has expired out of the index of contacts; their keys are gone by then."""
