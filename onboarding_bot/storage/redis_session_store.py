"""The session store on Redis: one MGET to read a person, one Lua call to write a turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from redis.cluster import RedisCluster

from onboarding_bot.analytics.counter_layout import add_rows
from onboarding_bot.conversation.addresses import RENEWED_AFTER
from onboarding_bot.conversation.consent import service_consent_holds, stored_name
from onboarding_bot.conversation.contact import (
    NEWS,
    OTP_DAY,
    OTP_PAUSE,
    OTP_REQUESTS_A_DAY,
    SERVICE,
    Contact,
    Draft,
)
from onboarding_bot.conversation.session import (
    SESSION_LIFETIME,
    OnboardingStep,
    Reservation,
    UserSession,
)
from onboarding_bot.outbound.due_work import DueTimes, DueWork
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.day_counters import (
    DAY_LIFE,
    DAYS_KEPT,
    ENDED_POSITIONS,
    DayCounters,
    day_at,
    day_counts,
    in_turn,
    numbers_in,
)
from onboarding_bot.storage.encryption import HEAD_BYTES, version_of
from onboarding_bot.storage.keys import (
    SHARDS,
    Keys,
    contacts_of,
    counters_of,
    day_of_shard,
    due_in,
    due_member,
    step_index,
)
from onboarding_bot.storage.milliseconds import milliseconds, unix_milliseconds
from onboarding_bot.storage.plain_records import opt_out_to_store, read_erasure_reply, read_opt_out
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.scripts import Scripts
from onboarding_bot.storage.session_store import NOTHING_COUNTED, NOTHING_DUE, Conflict, StoredPerson, Sums

_STEPS = tuple(OnboardingStep)
# How many keys a load reads for one person.
_KEYS_OF_A_LOAD = 7
# How much due work is taken from one shard at a time.
DUE_AT_ONCE = 50
# How many members of a shard's due work one script call looks at: about half a millisecond of Redis's time.
DUE_LOOKED_AT = 1000


class RedisSessionStore:
    """Implements ``SessionStore`` on one Redis, on Sentinel and on Redis Cluster."""

    def __init__(
        self, client: AnyRedis, keys: Keys, sealer: Sealer, contact_life: timedelta, draft_life: timedelta
    ) -> None:
        self._client = client
        self._keys = keys
        self._sealer = sealer
        self._contact_life = contact_life
        self._draft_life = draft_life
        self._lives = {
            "contact_life": milliseconds(contact_life),
            "link_life": milliseconds(contact_life + RENEWED_AFTER),
            "day_life": milliseconds(DAY_LIFE),
        }
        self._scripts = Scripts(client)
        self._days = DayCounters(client)

    def identify(self, sender: str) -> str:
        """The person's id, see ``SessionStore``."""
        return self._keys.person_id(sender)

    def load(self, person_id: str, message_sid: str = "") -> StoredPerson:
        """Session and contact record, with its draft, opt-out and addresses, in one MGET."""
        return self.load_together([person_id], message_sid)[person_id]

    def load_together(self, people: Sequence[str], message_sid: str = "") -> dict[str, StoredPerson]:
        """The first of these people, and all others that the same MGET can read: on a cluster none."""
        at_once = people[:1] if isinstance(self._client, RedisCluster) else people
        names = [name for person_id in at_once for name in self._names(person_id, message_sid)]
        with unavailable_on_error():
            found: Any = self._client.mget(names)
        loaded = {}
        for number, person_id in enumerate(at_once):
            *values, erasure_reply = found[number * _KEYS_OF_A_LOAD : (number + 1) * _KEYS_OF_A_LOAD]
            loaded[person_id] = replace(
                self.person(person_id, *values), erasure_reply=read_erasure_reply(message_sid, erasure_reply)
            )
        return loaded

    def _names(self, person_id: str, message_sid: str) -> list[str]:
        return [
            self._keys.session(person_id),
            self._keys.contact(person_id),
            self._keys.draft(person_id),
            self._keys.opt_out(person_id),
            self._keys.link(person_id),
            self._keys.alias(person_id),
            self._keys.erasure_reply(person_id, message_sid),
        ]

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
        """One Lua call. redis-py repeats it after a lost answer; a repeat that finds its own work is no conflict."""
        person_id = known.person_id
        sealed_session = self._sealer.seal(session.to_record(), "session", person_id)
        sealed_contact = self._sealer.seal(contact.to_record(), "contact", person_id)
        draft, draft_life = self._draft_to_store(contact.draft, person_id, now)
        holds = _service_consent_holds(known, session, contact)
        service_consent, news_consent = _consents_to_store(contact, holds=holds)
        steps = self._keys.steps(person_id)
        with unavailable_on_error():
            written, *newer = self._scripts.run(
                "commit",
                {
                    **self._keys.record(person_id),
                    "due": self._keys.due(person_id),
                    "contacts": self._keys.contacts(person_id),
                    "counters": self._keys.counters(person_id),
                    "day": self._keys.day(person_id, day_at(now)),
                    "current_step": steps[session.current_step],
                    "step": steps.values(),
                },
                {
                    "version_bytes": HEAD_BYTES,
                    "session_version": known.session_version,
                    "contact_version": known.contact_version,
                    "expected_alias": known.alias,
                    "person": person_id,
                    "now": unix_milliseconds(now),
                    "last_inbound_at": unix_milliseconds(contact.last_inbound_at),
                    "session": sealed_session,
                    # It lives from the person's last message, not from what the bot writes down in between.
                    "session_life": max(1, milliseconds(session.updated_at + SESSION_LIFETIME - now)),
                    "contact": sealed_contact,
                    "draft": draft,
                    "draft_life": draft_life,
                    "opt_out": opt_out_to_store(contact.opt_out) if contact.opt_out else "",
                    "service_consent": service_consent,
                    "news_consent": news_consent,
                    "asked_for_messages_at": (
                        unix_milliseconds(contact.asked_for_messages_at) if contact.asked_for_messages_at else ""
                    ),
                    "answers_message": int(_answers_new_message(known, session, contact)),
                    "link": self._link_to_store(known),
                    **self._lives,
                    "due": _due_arguments(due, person_id),
                    "ended": ENDED_POSITIONS,
                    "counts": in_turn(counters),
                    "day_counts": day_counts((counters, day_counters)),
                },
            )
        stored = replace(
            known,
            session=session,
            contact=contact,
            session_version=version_of(sealed_session),
            contact_version=version_of(sealed_contact),
            erasure_reply=None,
        )
        if written:
            return stored
        conflict = Conflict(self.person(person_id, *newer))
        # A client that sends the script again after a lost answer finds its own commit.
        return stored if conflict.newer.session_version == stored.session_version else conflict

    def amend(self, known: StoredPerson, contact: Contact, *, is_reviewed: bool = False) -> StoredPerson | Conflict:
        """One Lua call, see ``SessionStore``."""
        person_id = known.person_id
        sealed_contact = self._sealer.seal(contact.to_record(), "contact", person_id)
        holds = is_reviewed or _is_new_service_consent(known, contact)
        service_consent, news_consent = _consents_to_store(contact, holds=holds)
        with unavailable_on_error():
            written, *newer = self._scripts.run(
                "amend",
                self._keys.record(person_id),
                {
                    "version_bytes": HEAD_BYTES,
                    "contact_version": known.contact_version,
                    "contact": sealed_contact,
                    "opt_out": opt_out_to_store(contact.opt_out) if contact.opt_out else "",
                    "service_consent": service_consent,
                    "news_consent": news_consent,
                },
            )
        if not written:
            return Conflict(self.person(person_id, *newer))
        version = known.contact_version and version_of(sealed_contact)
        return replace(known, contact=contact, contact_version=version)

    def reserve_otp(self, reservation: Reservation, now: datetime) -> int:
        """One Lua call in the shard of the phone number, see ``SessionStore``."""
        with unavailable_on_error():
            wait = self._scripts.run(
                "reserve_otp",
                {"requests": self._keys.otp_requests(reservation.phone)},
                {
                    "token": reservation.token,
                    "now": unix_milliseconds(now),
                    "day": milliseconds(OTP_DAY),
                    "pause": milliseconds(OTP_PAUSE),
                    "limit": OTP_REQUESTS_A_DAY,
                },
            )
        return int(wait)

    def add_up(self, now: datetime, days: int = 1) -> Sums:
        """One script for each of the 64 shards in one pipeline, however many people there are.

        Days that are over cost one look-up together; the first caller who asks for such a day adds it up.
        """
        moment, today = unix_milliseconds(now), day_at(now)
        with unavailable_on_error():
            answers = self._scripts.run_in_all(
                "shard_figures",
                [
                    (
                        {
                            "counters": counters_of(shard),
                            "day": day_of_shard(shard, today),
                            "step": _step_indexes(shard),
                        },
                        {"now": moment},
                    )
                    for shard in range(SHARDS)
                ],
            )
            earlier = self._days.before(now, days - 1)
        live, counters, rows = zip(*answers, strict=True)
        sessions = {step: sum(counts) for step, counts in zip(_STEPS, zip(*live, strict=True), strict=True)}
        return Sums(sessions, _added_up(counters), earlier | {today: add_rows(map(numbers_in, rows))})

    def count_expired_sessions(self, now: datetime) -> None:
        """One script for each shard in one pipeline, and the sums of days that no caller has asked for."""
        today = day_at(now)
        arguments = {"now": unix_milliseconds(now), "day_life": milliseconds(DAY_LIFE), "ended": ENDED_POSITIONS}
        with unavailable_on_error():
            self._scripts.run_in_all(
                "count_expired_sessions",
                [
                    ({"day": day_of_shard(shard, today), "step": _step_indexes(shard)}, arguments)
                    for shard in range(SHARDS)
                ],
            )
            self._days.before(now, DAYS_KEPT - 1)

    def take_due(self, now: datetime, lease: timedelta) -> list[tuple[DueWork, str]]:
        """One pipeline over all shards, and one call more for each where something is due; see ``SessionStore``."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zcount(due_in(shard), "-inf", unix_milliseconds(now))
            waiting = [shard for shard, count in enumerate(pipeline.execute()) if count]
            members = [member.decode() for shard in waiting for member in self._take_due_in(shard, now, lease)]
        pairs = (member.split(":", 1) for member in members)
        return [(DueWork(work), who) for work, who in pairs]

    def _take_due_in(self, shard: int, now: datetime, lease: timedelta) -> list[bytes]:
        """Take what is due in a shard, past the work in front of it that only a later release knows."""
        taken: list[bytes] = []
        rank = 0
        while rank >= 0 and len(taken) < DUE_AT_ONCE:
            rank, *members = self._scripts.run(
                "take_due",
                {"due_work": due_in(shard)},
                {
                    "now": unix_milliseconds(now),
                    "due_again_at": unix_milliseconds(now + lease),
                    "most_taken": DUE_AT_ONCE - len(taken),
                    "first_rank": rank,
                    "most_looked_at": DUE_LOOKED_AT,
                    "kinds": tuple(DueWork),
                },
            )
            taken += members
        return taken

    def forget_due(self, work: DueWork, known: StoredPerson) -> None:
        """One Lua call, see ``SessionStore``."""
        person_id = known.person_id
        with unavailable_on_error():
            self._scripts.run(
                "forget_due",
                {"session": self._keys.session(person_id), "due": self._keys.due(person_id)},
                {
                    "version_bytes": HEAD_BYTES,
                    "session_version": known.session_version,
                    "member": due_member(work, person_id),
                },
            )

    def forget_silent_people(self, now: datetime) -> None:
        """One pipeline over all shards, see ``SessionStore``; each turn does the same in its own shard."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zremrangebyscore(contacts_of(shard), "-inf", unix_milliseconds(now - self._contact_life))
            pipeline.execute()

    def person(
        self,
        person_id: str,
        session: bytes | None,
        contact: bytes | None,
        draft: bytes | None,
        opt_out: bytes | None,
        link: bytes | None = None,
        alias: bytes | None = None,
    ) -> StoredPerson:
        """The person whose keys have these values."""
        known = self._sealer.contact(person_id, contact, draft)
        if opt_out is not None:
            stopped, otp_requests = read_opt_out(opt_out)
            # Where the record has expired or was erased, the opt-out is all that is left.
            known = replace(
                known or Contact("", None, stopped.at, stopped.at, otp_requests=otp_requests), opt_out=stopped
            )
        return StoredPerson(
            person_id,
            self._sealer.session(person_id, session),
            known,
            version_of(session),
            version_of(contact),
            link=self._sealer.link(person_id, link),
            alias=alias or b"",
        )

    def _link_to_store(self, known: StoredPerson) -> bytes:
        if not known.link_is_new or known.link is None:
            return b""
        return self._sealer.seal(known.link.to_record(), "link", known.person_id)

    def _draft_to_store(self, draft: Draft | None, person_id: str, now: datetime) -> tuple[bytes, int]:
        """The sealed draft and the milliseconds that it has left, or nothing and 0."""
        left = milliseconds(draft.saved_at + self._draft_life - now) if draft else 0
        if draft is None or left <= 0:
            return b"", 0
        return self._sealer.seal(draft.to_record(), "draft", person_id), left


def _step_indexes(shard: int) -> list[str]:
    return [step_index(shard, step) for step in _STEPS]


def _added_up(counters: Iterable[Sequence[bytes]]) -> dict[str, int]:
    """The sums over all shards; each gives name and sum in turn."""
    sums: Counter[str] = Counter()
    for pairs in counters:
        sums.update({name.decode(): int(count) for name, count in zip(pairs[::2], pairs[1::2], strict=True)})
    return dict(sums)


def _answers_new_message(known: StoredPerson, session: UserSession, contact: Contact) -> bool:
    """Whether this turn answers a message of the person's that was not there before; a reminder answers none."""
    if known.contact and contact.last_inbound_at > known.contact.last_inbound_at:
        return True
    before = known.session
    return any(before is None or before.recall(reply.message_sid) is None for reply in session.remembered)


def _consents_to_store(contact: Contact, *, holds: bool) -> tuple[str, str]:
    """When the person agreed to service messages and to news, as consents.lua takes it."""
    service, news = (
        str(unix_milliseconds(consent.at)) if consent else "" for consent in map(contact.consents.get, (SERVICE, NEWS))
    )
    return f"{service} holds" if service and holds else service, news


def _service_consent_holds(known: StoredPerson, session: UserSession, contact: Contact) -> bool:
    """Whether the consent to service messages may count from now on: one of an earlier release only beside a name."""
    if stored_name(session, contact) is None and not _is_new_service_consent(known, contact):
        return False
    return service_consent_holds(session, contact)


def _is_new_service_consent(known: StoredPerson, contact: Contact) -> bool:
    """Whether the consent to service messages was not there before."""
    return contact.consents.get(SERVICE) != (known.contact.consents.get(SERVICE) if known.contact else None)


def _due_arguments(due: DueTimes, person_id: str) -> list[str | int]:
    """Members of the due set, each with its time or "", in turn."""
    return [
        item
        for work, moment in due.by_kind().items()
        for item in (due_member(work, person_id), unix_milliseconds(moment) if moment else "")
    ]
