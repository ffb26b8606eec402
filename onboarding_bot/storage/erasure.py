"""The erasure of a person in Redis: what goes, what stays without a name, and the list of those who were erased."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from onboarding_bot.conversation import reply as replies
from onboarding_bot.conversation.contact import Contact, OptOut
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import REMEMBERED_FOR, RememberedReply
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.observability.logs import audit, describe, logger
from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.storage import keys
from onboarding_bot.storage.aliases import FOR_GOOD, Alias, AliasKind
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.day_counters import DAY_LIFE, ENDED_POSITIONS, day_at, day_counts, in_turn
from onboarding_bot.storage.encryption import HEAD_BYTES
from onboarding_bot.storage.errors import milliseconds, unavailable_on_error, unix_milliseconds
from onboarding_bot.storage.keys import SHARDS, Keys
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.scripts import Scripts
from onboarding_bot.storage.session_store import NOTHING_COUNTED, Conflict, StoredPerson

# By then the goodbye is at Twilio too, and can be deleted with the rest.
MESSAGES_DELETED_AFTER = timedelta(minutes=1)
# A few days of an outage at Twilio are waited for; then people have to see to it.
MESSAGES_GIVEN_UP_AFTER = timedelta(days=7)
ERASURE = "erasure"
_PARTS = ("audience", "rows", "counts", "pending", "inflight")


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What an erasure leaves to be done in other shards than the person's: under the own hash of one address.

    ``tombstone`` is the opt-out to leave there, ``goodbye`` what copies of the ``messages`` are answered with, and
    ``records`` the ids of other records of this person, such as one that was hidden or not yet joined.
    """

    person_id: str
    tombstone: str
    goodbye: str
    messages: tuple[str, ...] = ()
    records: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """The work as JSON."""
        return {
            "person": self.person_id,
            "tombstone": self.tombstone,
            "goodbye": self.goodbye,
            "messages": list(self.messages),
            "records": list(self.records),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The work that ``to_record`` wrote."""
        messages, records = tuple(record["messages"]), tuple(record["records"])
        return cls(record["person"], record["tombstone"], record["goodbye"], messages, records)


@dataclass(frozen=True, slots=True)
class Deletion:
    """Whose messages at Twilio are to be deleted: those up to the erasure, and the goodbye.

    ``forgets`` is what is to be forgotten here as well, unless that was done at once.
    """

    address: str
    erased_at: datetime
    forgets: Forgetting | None = None


@dataclass(frozen=True, slots=True)
class _Erasure:
    """What the erasure of one record leaves, and what moves with it.

    ``alias_left`` is how long the record's own hash may still lead to the person, in milliseconds; None: as it does.
    """

    at: datetime
    tombstone: str
    goodbye: str
    messages: Sequence[str] = ()
    deletions: Sequence[Deletion] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    day_counters: Mapping[str, int] = field(default_factory=dict)
    alias_left: int | None = None


class Erasures:
    """Erases people. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis, person_keys: Keys, sealer: Sealer, store: RedisSessionStore) -> None:
        self._client = client
        self._keys = person_keys
        self._sealer = sealer
        self._store = store
        self._scripts = Scripts(client)

    def erase(self, person_id: str, now: datetime, address: str = "") -> bool:
        """Erase a person, whoever writes meanwhile; whether there was more than an opt-out.

        With the ``address`` of somebody whose record is gone already, the messages at Twilio are deleted all the same.
        """
        known = self._store.load(person_id)
        alias, is_known = known.alias, not _nothing_is_left(known)
        while conflict := self.erase_as_known(known, now, address=address):
            known = conflict.newer
            is_known = is_known or not _nothing_is_left(known)
        joined = Alias.from_value(known.alias)
        if joined and joined.is_same_person and known.alias != alias:
            # Meanwhile the record was joined to another one of the same person.
            return self.erase(joined.person_id, now, address) or is_known
        return is_known

    def erase_as_known(
        self,
        known: StoredPerson,
        now: datetime,
        *,
        address: str = "",
        goodbye: RememberedReply | None = None,
        counters: Mapping[str, int] = NOTHING_COUNTED,
        day_counters: Mapping[str, int] = NOTHING_COUNTED,
    ) -> Conflict | None:
        """Erase a person in one call, unless something changed since ``known``: then nothing is done.

        ``goodbye`` answers the message that asked for it. Twilio may repeat that afterwards, and any earlier one as
        well: these copies are answered in the same way, and begin nothing.
        ``counters`` and ``day_counters`` move with it, as with a commit.

        What the person's other addresses have in other shards is forgotten right afterwards; where that fails, it is
        due work, which repeats until it is done.
        """
        erasure = _Erasure(
            now,
            json.dumps(_tombstone(known.contact, now)),
            _goodbye_to_store(goodbye or _goodbye_to(known, now)),
            _answered_messages(known, goodbye),
            counters=counters,
            day_counters=day_counters,
        )
        erasure = replace(erasure, deletions=self._deletions(known, address, erasure))
        conflict = self._erase_record(known, erasure)
        # Whose first answer was lost on the way finds the own work done; it has to be seen through all the same.
        if conflict is None or (_nothing_is_left(conflict.newer) and conflict.newer.alias == known.alias):
            self._forget_at_once(erasure.deletions)
        return conflict

    def erase_again(self, person_id: str, erased_at: datetime) -> None:
        """Erase in a restored backup whoever was erased at that time; an address's own hash leads nowhere any more."""
        alias = Alias.from_value(self._store.load(person_id).alias)
        if alias is None or not alias.is_same_person:
            self.erase(person_id, erased_at)
            return
        known = self._store.load(person_id)
        while conflict := self._erase_record(known, replace(_bare_erasure(known, erased_at), alias_left=0)):
            known = conflict.newer

    def forget(self, deletion: Deletion) -> None:
        """Forget a person under one more address, in the shard of that; doing it twice changes nothing."""
        work = deletion.forgets
        if work is None:
            return
        erasure = _Erasure(deletion.erased_at, work.tombstone, work.goodbye, work.messages)
        for person_id in work.records:
            self._forget_record(person_id, erasure)
        if self._keys.person_id(deletion.address) != work.person_id:
            self._forget_address(deletion.address, work.person_id, erasure)

    def _forget_at_once(self, deletions: Iterable[Deletion]) -> None:
        try:
            for deletion in deletions:
                self.forget(deletion)
        except StoreUnavailableError as error:
            # The person is erased, and is told so; the rest is due in a minute.
            logger().warning("erasure_goes_on_later", code=error.code, **describe(error))

    def _forget_address(self, address: str, person_id: str, erasure: _Erasure) -> None:
        """Leave the opt-out where the address leads once the person's alias has ended."""
        own = self._keys.person_id(address)
        while not self._is_back(person_id, address):
            known = self._store.load(own)
            alias = Alias.from_value(known.alias)
            if alias and (alias.person_id != person_id or alias.kind is AliasKind.RELEASED):
                # By now it is somebody else's, or nobody's.
                return
            if alias and alias.is_passed_on:
                self._leave_to_nobody(address, known.alias, person_id, erasure)
                return
            if _began_after(known, erasure.at) or self._is_listed(own, erasure.at):
                return
            # For so long copies of earlier messages find the goodbye, which is the person's.
            left = replace(erasure, messages=(), alias_left=milliseconds(REMEMBERED_FOR) if alias else None)
            if self._erase_record(known, left) is None and self._is_back(person_id, address):
                # Renewed, like all aliases, when the person writes again.
                with unavailable_on_error():
                    self._client.persist(self._keys.alias(own))

    def _leave_to_nobody(self, address: str, alias: bytes, person_id: str, erasure: _Erasure) -> None:
        """The record of the address's own hash is an earlier holder's: the opt-out stands under the id of the next one.

        The goodbye does as well, because the alias leads there at once.
        """
        own, vacant = self._keys.person_id(address), self._keys.vacant_id(address, person_id)
        while not self._is_listed(vacant, erasure.at):
            known = self._store.load(vacant)
            if known.is_recorded or known.link:
                # It was the next one's already, who has other addresses by now.
                vacant = self._keys.vacant_id(address, vacant)
            else:
                self._erase_record(known, erasure)
        with unavailable_on_error():
            self._scripts.run(
                "assign_address",
                {
                    "alias": self._keys.alias(own),
                    "session": self._keys.session(own),
                    "contact": self._keys.contact(own),
                    "opt_out": self._keys.opt_out(own),
                },
                {
                    "alias": Alias(vacant, AliasKind.PASSED_ON).to_value(),
                    "replaceable": alias,
                    "life": FOR_GOOD,
                },
            )

    def _forget_record(self, person_id: str, erasure: _Erasure) -> None:
        """Erase another record of the person; one whose own hash leads to it again is somebody's who writes from it."""
        known = self._store.load(person_id)
        while known.is_recorded and known.alias and not _began_after(known, erasure.at):
            own = replace(_bare_erasure(known, erasure.at), goodbye=erasure.goodbye)
            conflict = self._erase_record(known, own)
            known = conflict.newer if conflict else self._store.load(person_id)

    def _is_back(self, person_id: str, address: str) -> bool:
        """Whether the erased person has begun anew, from this address among others."""
        person = self._store.load(person_id)
        return person.is_recorded and person.link is not None and person.link.covers((address,))

    def _is_listed(self, person_id: str, erased_at: datetime) -> bool:
        with unavailable_on_error():
            listed: Any = self._client.zscore(self._keys.erasures(person_id), person_id)
        return listed is not None and listed >= unix_milliseconds(erased_at)

    def _deletions(self, known: StoredPerson, address: str, erasure: _Erasure) -> list[Deletion]:
        """One for each address of the person, the given one first."""
        link, contact = known.link, known.contact
        found = (address, contact.address if contact and not link else "", *(link.addresses if link else ()))
        addresses = [one for one in dict.fromkeys(found) if one]
        if link is None and addresses:
            addresses = addresses[:1]
        others = (*link.absorbing, link.hidden) if link else ()
        records = tuple(one for one in dict.fromkeys(others) if one and one != known.person_id)
        work = Forgetting(known.person_id, erasure.tombstone, erasure.goodbye, tuple(erasure.messages))
        deletions = [
            Deletion(one, erasure.at, None if self._keys.person_id(one) == known.person_id else work)
            for one in addresses
        ]
        if deletions and records:
            deletions[0] = replace(deletions[0], forgets=replace(work, records=records))
        return deletions

    def _erase_record(self, known: StoredPerson, erasure: _Erasure) -> Conflict | None:
        """Erase what one record's shard holds, and write its line."""
        broadcasts = self._broadcasts()
        with unavailable_on_error():
            self._scripts.run(
                "rename_member",
                {"set": keys.OUTSIDE_WINDOW_TODAY},
                {"name": known.person_id, "new_name": keys.erased_row()},
            )
        conflict = self._erase(known, erasure, broadcasts)
        is_done = conflict is None or _nothing_is_left(conflict.newer)
        # An audience that was fixed in between has the person; one that is fixed from now on has not.
        late = [new for new in self._broadcasts() if new not in broadcasts] if is_done else []
        # Whoever has written again by then is not erased a second time.
        if late and not (after := self._store.load(known.person_id)).session_version:
            again = replace(erasure, deletions=(), counters=NOTHING_COUNTED, day_counters=NOTHING_COUNTED)
            self._erase(after, again, late)
        if is_done:
            self._write_line(known.person_id, erasure.at)
        return conflict

    def write_owed_lines(self, before: datetime) -> None:
        """Write the lines of erasures up to ``before`` that the log has not got: it took none then, or a crash came."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zrangebyscore(keys.owed_lines_of(shard), "-inf", unix_milliseconds(before), withscores=True)
            owed = [pair for answer in pipeline.execute() for pair in answer]
        for person_id, score in owed:
            if not self._write_line(person_id.decode(), datetime.fromtimestamp(score / 1000, UTC)):
                return

    def done_since(self, moment: datetime) -> list[tuple[str, datetime]]:
        """Who was erased since ``moment``, and when last: a restored backup has to forget them again."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zrangebyscore(keys.erasures_of(shard), unix_milliseconds(moment), "+inf", withscores=True)
            found = [pair for answer in pipeline.execute() for pair in answer]
        return [(person_id.decode(), datetime.fromtimestamp(score / 1000, UTC)) for person_id, score in found]

    def forget_before(self, moment: datetime) -> None:
        """Shorten the list: no backup is older than ``moment``."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zremrangebyscore(keys.erasures_of(shard), "-inf", f"({unix_milliseconds(moment)}")
                pipeline.zremrangebyscore(keys.owed_lines_of(shard), "-inf", f"({unix_milliseconds(moment)}")
            pipeline.execute()

    def deletion(self, deletion_id: str) -> Deletion | None:
        """Whose messages are to be deleted; None when that is done, or was given up."""
        with unavailable_on_error():
            value: Any = self._client.get(self._keys.messages_to_delete(deletion_id))
        record = self._sealer.record("messages", deletion_id, value)
        if record is None:
            return None
        # A release before this one wrote none.
        forgets = Forgetting.from_record(record["forgets"]) if "forgets" in record else None
        return Deletion(record["address"], datetime.fromisoformat(record["erased_at"]), forgets)

    def deleted(self, deletion_id: str) -> None:
        """Nothing of it is left at Twilio: forget whose messages they were."""
        with unavailable_on_error():
            self._client.delete(self._keys.messages_to_delete(deletion_id))
            self._client.zrem(self._keys.due(deletion_id), keys.due_member(DueWork.MESSAGES, deletion_id))

    def _write_line(self, person_id: str, erased_at: datetime) -> bool:
        """Write the line of an erasure, and owe it no more; a crash in between has it written twice.

        Where a backup is restored, the log is the only place that knows of the erasures since. The erasure itself waits
        for nothing: Redis is its proof.
        """
        is_out = audit("erased", person_id=person_id, erased_at=erased_at.isoformat())
        try:
            if is_out:
                with unavailable_on_error():
                    self._client.zrem(self._keys.owed_lines(person_id), person_id)
        except StoreUnavailableError as error:
            # The person is erased, and is told so; the line will come a second time.
            logger().warning("audit_line_still_owed", code=error.code, **describe(error))
        return is_out

    def _broadcasts(self) -> list[str]:
        with unavailable_on_error():
            found: Any = self._client.zrange(keys.BROADCASTS, 0, -1)
        return [broadcast_id.decode() for broadcast_id in found]

    def _erase(self, known: StoredPerson, erasure: _Erasure, broadcasts: Sequence[str]) -> Conflict | None:
        person_id, shard, now = known.person_id, keys.shard_of(known.person_id), erasure.at
        deletions = {keys.nameless_id(shard): deletion for deletion in erasure.deletions}
        with unavailable_on_error():
            done, *newer = self._scripts.run(
                "erase",
                {
                    **self._keys.record(person_id),
                    "due": self._keys.due(person_id),
                    "contacts": self._keys.contacts(person_id),
                    "erasures": self._keys.erasures(person_id),
                    "unlogged": self._keys.owed_lines(person_id),
                    "counters": self._keys.counters(person_id),
                    "day": self._keys.day(person_id, day_at(now)),
                    "step": self._keys.steps(person_id).values(),
                    "erasure_reply": [self._keys.goodbye(person_id, message_sid) for message_sid in erasure.messages],
                    "deletion": [self._keys.messages_to_delete(deletion_id) for deletion_id in deletions],
                    **keys.of_broadcasts(shard, broadcasts, _PARTS),
                },
                {
                    "version_bytes": HEAD_BYTES,
                    "session_version": known.session_version,
                    "contact_version": known.contact_version,
                    "expected_alias": known.alias,
                    "person": person_id,
                    "now": unix_milliseconds(now),
                    "tombstone": erasure.tombstone,
                    "erasure_reply": erasure.goodbye,
                    "erasure_reply_life": milliseconds(REMEMBERED_FOR),
                    "alias_life": "" if erasure.alias_left is None else erasure.alias_left,
                    "deletion_life": milliseconds(MESSAGES_GIVEN_UP_AFTER + timedelta(days=1)),
                    "deletion_due_at": unix_milliseconds(now + MESSAGES_DELETED_AFTER),
                    "day_life": milliseconds(DAY_LIFE),
                    "due": keys.due_members_of(person_id),
                    "ended": ENDED_POSITIONS,
                    "deletions": [self._sealed(deletion, deletion_id) for deletion_id, deletion in deletions.items()],
                    "deletion_members": [keys.due_member(DueWork.MESSAGES, deletion_id) for deletion_id in deletions],
                    "counts": in_turn(erasure.counters),
                    "day_counts": day_counts((erasure.counters, erasure.day_counters)),
                    "anonymous_names": [keys.erased_row() for _ in broadcasts],
                },
            )
        return None if done else Conflict(self._store.person(person_id, *newer))

    def _sealed(self, deletion: Deletion, deletion_id: str) -> bytes:
        record: dict[str, Any] = {"address": deletion.address, "erased_at": deletion.erased_at.isoformat()}
        if deletion.forgets:
            record["forgets"] = deletion.forgets.to_record()
        return self._sealer.seal(record, "messages", deletion_id)


def _nothing_is_left(person: StoredPerson) -> bool:
    return not (person.session_version or person.contact_version)


def _began_after(person: StoredPerson, moment: datetime) -> bool:
    """Whether the record is of somebody who began anew since."""
    return person.is_recorded and (person.contact is None or person.contact.first_inbound_at > moment)


def _bare_erasure(known: StoredPerson, at: datetime) -> _Erasure:
    """The erasure of a record for which nobody has asked under its own addresses."""
    tombstone = json.dumps(_tombstone(known.contact, at))
    return _Erasure(at, tombstone, _goodbye_to_store(_goodbye_to(known, at)), _answered_messages(known, None))


def _tombstone(contact: Contact | None, now: datetime) -> dict[str, Any]:
    """The no to messages that an erasure is too, or the earlier one.

    With the times of the day's OTP requests: whoever is erased and comes back at once has no more of them than before.
    """
    opt_out = (contact.opt_out if contact else None) or OptOut(now, ERASURE)
    requests = contact.otp_requests if contact else ()
    return opt_out.to_record() | {"otp_requests": [request.at.isoformat() for request in requests]}


def _answered_messages(known: StoredPerson, goodbye: RememberedReply | None) -> list[str]:
    """The SIDs of the messages that are remembered, which go into the names of keys as keyed hashes only."""
    remembered = known.session.remembered if known.session else ()
    return list(dict.fromkeys(one.message_sid for one in (*remembered, *([goodbye] if goodbye else []))))


def _goodbye_to(known: StoredPerson, now: datetime) -> RememberedReply:
    """For copies of the messages of somebody whom an admin erased, and who has not asked for it in the chat."""
    return RememberedReply("", now, (Part("erasure.done"),), known.contact.language if known.contact else None)


def _goodbye_to_store(goodbye: RememberedReply) -> str:
    reply = replies.to_record(goodbye.reply or ())
    return json.dumps({"at": goodbye.at.isoformat(), "reply": reply, "language": goodbye.language})
