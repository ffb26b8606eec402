"""The erasure of a person in Redis: what goes, what stays without a name, and the list of those who were erased."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from onboarding_bot.analytics.positions import position_of
from onboarding_bot.conversation import reply as replies
from onboarding_bot.conversation.contact import Contact, OptOut
from onboarding_bot.conversation.reply import Part
from onboarding_bot.conversation.session import REMEMBERED_FOR, OnboardingStep, RememberedReply
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.logs import audit, describe, logger
from onboarding_bot.outbound.due import DueWork
from onboarding_bot.store import keys
from onboarding_bot.store.connection import AnyRedis
from onboarding_bot.store.day_counters import DAY_LIFE, arguments, day_at
from onboarding_bot.store.encryption import HEAD_BYTES
from onboarding_bot.store.errors import milliseconds, unavailable_on_error, unix_milliseconds
from onboarding_bot.store.keys import SHARDS, Keys, in_shard
from onboarding_bot.store.protocol import NOTHING_COUNTED, Conflict, StoredPerson
from onboarding_bot.store.records import Sealer
from onboarding_bot.store.redis_store import RedisStore
from onboarding_bot.store.scripts import Scripts

# By then the goodbye is at Twilio too, and can be deleted with the rest.
MESSAGES_DELETED_AFTER = timedelta(minutes=1)
# A few days of an outage at Twilio are waited for; then people have to see to it.
MESSAGES_GIVEN_UP_AFTER = timedelta(days=7)
ERASURE = "erasure"
_PARTS = ("audience", "rows", "counts", "pending", "inflight")
# A session that is erased has ended in its step.
_ENDED = " ".join(str(position_of(f"ended:{step}")) for step in OnboardingStep)
_KINDS_OF_DUE_WORK = " ".join(work for work in DueWork if work is not DueWork.MESSAGES)


@dataclass(frozen=True, slots=True)
class Deletion:
    """Whose messages at Twilio are to be deleted: those up to the erasure, and the goodbye."""

    address: str
    erased_at: datetime


class Erasures:
    """Erases people. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis, person_keys: Keys, sealer: Sealer, store: RedisStore) -> None:
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
        is_known = not _nothing_is_left(known)
        while conflict := self.erase_as_known(known, now, address=address):
            known = conflict.newer
            is_known = is_known or not _nothing_is_left(known)
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
        """
        broadcasts = self._broadcasts()
        with unavailable_on_error():
            self._scripts.run("rename_member", [keys.OUTSIDE_WINDOW_TODAY], [known.person_id, keys.erased_row()])
        conflict = self._erase(known, now, address, goodbye, counters, day_counters, broadcasts)
        # Whose first answer was lost on the way finds the own work done; it has to be seen through all the same.
        is_done = conflict is None or _nothing_is_left(conflict.newer)
        # An audience that was fixed in between has the person; one that is fixed from now on has not.
        late = [new for new in self._broadcasts() if new not in broadcasts] if is_done else []
        # Whoever has written again by then is not erased a second time.
        if late and not (after := self._store.load(known.person_id)).session_version:
            self._erase(after, now, "", goodbye, {}, {}, late)
        if is_done:
            self._write_line(known.person_id, now)
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
        return Deletion(record["address"], datetime.fromisoformat(record["erased_at"])) if record else None

    def deleted(self, deletion_id: str) -> None:
        """Nothing of it is left at Twilio: forget whose messages they were."""
        with unavailable_on_error():
            self._client.delete(self._keys.messages_to_delete(deletion_id))
            self._client.zrem(self._keys.due(deletion_id), f"{DueWork.MESSAGES}:{deletion_id}")

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

    def _erase(
        self,
        known: StoredPerson,
        now: datetime,
        address: str,
        goodbye: RememberedReply | None,
        counters: Mapping[str, int],
        day_counters: Mapping[str, int],
        broadcasts: Sequence[str],
    ) -> Conflict | None:
        person_id, shard = known.person_id, keys.shard_of(known.person_id)
        deletion_id = keys.nameless_id(shard)
        address = address or (known.contact.address if known.contact else "")
        messages = _answered_messages(known, goodbye)
        day = arguments((counters, day_counters))
        with unavailable_on_error():
            done, *newer = self._scripts.run(
                "erase",
                [
                    self._keys.session(person_id),
                    self._keys.contact(person_id),
                    self._keys.draft(person_id),
                    self._keys.opt_out(person_id),
                    self._keys.permit(person_id),
                    self._keys.due(person_id),
                    self._keys.contacts(person_id),
                    self._keys.erasures(person_id),
                    self._keys.counters(person_id),
                    self._keys.messages_to_delete(deletion_id),
                    self._keys.day(person_id, day_at(now)),
                    self._keys.owed_lines(person_id),
                    *self._keys.steps(person_id).values(),
                    *(self._keys.goodbye(person_id, message_sid) for message_sid in messages),
                    *(in_shard(shard, broadcast_id, part) for broadcast_id in broadcasts for part in _PARTS),
                ],
                [
                    HEAD_BYTES,
                    known.session_version,
                    known.contact_version,
                    person_id,
                    unix_milliseconds(now),
                    json.dumps(_tombstone(known.contact, now)),
                    _goodbye_to_store(goodbye or _goodbye_to(known, now)),
                    milliseconds(REMEMBERED_FOR),
                    self._sealed(Deletion(address, now), deletion_id) if address else b"",
                    milliseconds(MESSAGES_GIVEN_UP_AFTER + timedelta(days=1)),
                    f"{DueWork.MESSAGES}:{deletion_id}",
                    unix_milliseconds(now + MESSAGES_DELETED_AFTER),
                    _KINDS_OF_DUE_WORK,
                    milliseconds(DAY_LIFE),
                    _ENDED,
                    len(messages),
                    len(counters),
                    *(item for counter in counters.items() for item in counter),
                    len(day) // 2,
                    *day,
                    *(keys.erased_row() for _ in broadcasts),
                ],
            )
        return None if done else Conflict(self._store.person(person_id, *newer))

    def _sealed(self, deletion: Deletion, deletion_id: str) -> bytes:
        record = {"address": deletion.address, "erased_at": deletion.erased_at.isoformat()}
        return self._sealer.seal(record, "messages", deletion_id)


def _nothing_is_left(person: StoredPerson) -> bool:
    return not (person.session_version or person.contact_version)


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
