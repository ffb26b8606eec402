"""The erasure of one record: what its shard holds of the person, and its rows in all broadcasts, in one script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import REMEMBERED_FOR, RememberedReply
from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.day_counters import DAY_LIFE, ENDED_POSITIONS, day_at, day_counts, in_turn
from onboarding_bot.storage.encryption import HEAD_BYTES
from onboarding_bot.storage.erasure_log import ErasureLog
from onboarding_bot.storage.erasure_work import (
    MESSAGES_DELETED_AFTER,
    MESSAGES_GIVEN_UP_AFTER,
    Deletion,
    Deletions,
)
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.milliseconds import milliseconds, unix_milliseconds
from onboarding_bot.storage.plain_records import erasure_reply_to_store, tombstone_to_store
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.scripts import Scripts
from onboarding_bot.storage.session_store import NOTHING_COUNTED, Conflict, StoredPerson

_KEYS_OF_BROADCASTS = ("audience", "recipients", "counts", "pending", "inflight")


@dataclass(frozen=True, slots=True)
class RecordErasure:
    """What the erasure of one record writes.

    ``tombstone`` is the opt-out that stays, ``erasure_reply`` what copies of ``messages`` (their SIDs) are answered
    with, ``deletions`` the work for later, and ``counters`` and ``day_counters`` what is counted with it.
    ``alias_left_ms`` is how long the record's own hash may still lead to the person: 0 for no more, None for as long as
    before.
    """

    at: datetime
    tombstone: str
    erasure_reply: str
    messages: Sequence[str] = ()
    deletions: Sequence[Deletion] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    day_counters: Mapping[str, int] = field(default_factory=dict)
    alias_left_ms: int | None = None

    @classmethod
    def of(cls, known: StoredPerson, at: datetime, erasure_reply: RememberedReply | None = None) -> RecordErasure:
        """The erasure of this record; without a reply of its own, copies get that of an erasure by an admin."""
        return cls(
            at,
            tombstone_to_store(known.contact, at),
            erasure_reply_to_store(erasure_reply or _reply_for_copies(known, at)),
            _answered_messages(known, erasure_reply),
        )


class RecordErasures:
    """Erases records. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(
        self, client: AnyRedis, person_keys: Keys, store: RedisSessionStore, deletions: Deletions, log: ErasureLog
    ) -> None:
        self._client = client
        self._keys = person_keys
        self._store = store
        self._deletions = deletions
        self._log = log
        self._scripts = Scripts(client)

    def erase(self, known: StoredPerson, erasure: RecordErasure) -> Conflict | None:
        """Erase what the record's shard holds, and write its audit line; a Conflict when it changed since ``known``."""
        broadcasts = self._broadcasts()
        with unavailable_on_error():
            self._scripts.run(
                "rename_member",
                {"set": keys.OUTSIDE_WINDOW_TODAY},
                {"name": known.person_id, "new_name": keys.erased_name()},
            )
        conflict = self._run(known, erasure, broadcasts)
        is_done = conflict is None or not conflict.newer.has_record
        # An audience that was fixed in between has the person; one that is fixed from now on has not.
        late = [new for new in self._broadcasts() if new not in broadcasts] if is_done else []
        # A person who has written again by then is not erased a second time.
        if late and not (after := self._store.load(known.person_id)).session_version:
            again = replace(erasure, deletions=(), counters=NOTHING_COUNTED, day_counters=NOTHING_COUNTED)
            self._run(after, again, late)
        if is_done:
            self._log.write_line(known.person_id, erasure.at)
        return conflict

    def _broadcasts(self) -> list[str]:
        with unavailable_on_error():
            found: Any = self._client.zrange(keys.BROADCASTS, 0, -1)
        return [broadcast_id.decode() for broadcast_id in found]

    def _run(self, known: StoredPerson, erasure: RecordErasure, broadcasts: Sequence[str]) -> Conflict | None:
        person_id, shard, now = known.person_id, keys.shard_of(known.person_id), erasure.at
        deletions = {keys.random_id_in(shard): deletion for deletion in erasure.deletions}
        with unavailable_on_error():
            done, *newer = self._scripts.run(
                "erase",
                {
                    **self._keys.record(person_id),
                    "due": self._keys.due(person_id),
                    "contacts": self._keys.contacts(person_id),
                    "erasures": self._keys.erasures(person_id),
                    "unlogged": self._keys.unlogged_erasures(person_id),
                    "counters": self._keys.counters(person_id),
                    "day": self._keys.day(person_id, day_at(now)),
                    "step": self._keys.steps(person_id).values(),
                    "erasure_reply": [self._keys.erasure_reply(person_id, sid) for sid in erasure.messages],
                    "deletion": [self._keys.messages_to_delete(deletion_id) for deletion_id in deletions],
                    **keys.of_broadcasts(shard, broadcasts, _KEYS_OF_BROADCASTS),
                },
                {
                    "version_bytes": HEAD_BYTES,
                    "session_version": known.session_version,
                    "contact_version": known.contact_version,
                    "expected_alias": known.alias,
                    "person": person_id,
                    "now": unix_milliseconds(now),
                    "tombstone": erasure.tombstone,
                    "erasure_reply": erasure.erasure_reply,
                    "erasure_reply_life": milliseconds(REMEMBERED_FOR),
                    "alias_life": "" if erasure.alias_left_ms is None else erasure.alias_left_ms,
                    "deletion_life": milliseconds(MESSAGES_GIVEN_UP_AFTER + timedelta(days=1)),
                    "deletion_due_at": unix_milliseconds(now + MESSAGES_DELETED_AFTER),
                    "day_life": milliseconds(DAY_LIFE),
                    "due": keys.due_members_of(person_id),
                    "ended": ENDED_POSITIONS,
                    "deletions": [
                        self._deletions.sealed(deletion, deletion_id) for deletion_id, deletion in deletions.items()
                    ],
                    "deletion_members": [keys.due_member(DueWork.MESSAGES, deletion_id) for deletion_id in deletions],
                    "counts": in_turn(erasure.counters),
                    "day_counts": day_counts((erasure.counters, erasure.day_counters)),
                    "anonymous_names": [keys.erased_name() for _ in broadcasts],
                },
            )
        return None if done else Conflict(self._store.person(person_id, *newer))


def began_after(person: StoredPerson, moment: datetime) -> bool:
    """Whether the record belongs to a person who signed up anew since ``moment``."""
    return person.has_record and (person.contact is None or person.contact.first_inbound_at > moment)


def _answered_messages(known: StoredPerson, erasure_reply: RememberedReply | None) -> list[str]:
    """The SIDs of the messages that are remembered, which go into the names of keys as keyed hashes only."""
    remembered = known.session.remembered if known.session else ()
    return list(dict.fromkeys(one.message_sid for one in (*remembered, *([erasure_reply] if erasure_reply else []))))


def _reply_for_copies(known: StoredPerson, now: datetime) -> RememberedReply:
    """For copies of the messages of a person whom an admin erased, and who has not asked for it in the chat."""
    return RememberedReply("", now, (Part("erasure.done"),), known.contact.language if known.contact else None)
