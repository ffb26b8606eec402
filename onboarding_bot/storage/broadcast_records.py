"""The broadcasts in Redis: what each of them sends, its status, and when a scheduled one begins."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from onboarding_bot.outbound.broadcast_definition import BROADCAST_ID, Definition, Purpose
from onboarding_bot.outbound.broadcast_states import BroadcastStatus
from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import SHARDS, in_shard
from onboarding_bot.storage.milliseconds import milliseconds, moment_at, unix_milliseconds
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.scripts import Scripts

# A limit that Twilio last named longer ago, before a pause or a night for instance, is another one.
LIMIT_PAUSE = timedelta(minutes=1)
IDEMPOTENCY_LIFE = timedelta(days=7)
# All that a shard keeps of a broadcast, leases apart, which end by themselves.
_PARTS = ("audience", "rows", "counts", "pending", "inflight", "progress")


@dataclass(frozen=True, slots=True)
class BroadcastRecord:
    """What is stored of a broadcast beside its recipients."""

    id: str
    definition: Definition
    status: BroadcastStatus
    reason: str
    created_at: datetime
    fields: Mapping[str, str]

    def number(self, name: str) -> int:
        """A numeric field, 0 when it is not set."""
        return int(float(self.fields.get(name, 0)))

    @property
    def is_counted(self) -> bool:
        """Whether everybody in the audience was made a recipient, or left out."""
        return "counted_at" in self.fields

    @property
    def moved_at(self) -> datetime | None:
        """When it came into its status, by Redis's clock; None when an older release moved it."""
        moved_at = self.number("moved_at")
        return moment_at(moved_at) if moved_at else None

    @property
    def is_limited(self) -> bool:
        """Whether Twilio limited the sender lately, and has accepted no message of this broadcast since."""
        return "limited_since" in self.fields


class BroadcastRecords:
    """Creates, finds and changes broadcasts. Every method raises StoreUnavailableError when Redis does not answer."""

    def __init__(self, client: AnyRedis) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def create(self, definition: Definition, now: datetime, idempotency_key: str | None) -> tuple[str, bool]:
        """The id of the new broadcast, or of the key's earlier one, and whether the definition is the same."""
        broadcast_id = f"{unix_milliseconds(now):012x}{secrets.token_hex(6)}"
        text = definition.to_json()
        status = BroadcastStatus.SCHEDULED if definition.schedule_at else BroadcastStatus.COUNTING
        with unavailable_on_error():
            known_id, is_same = self._scripts.run(
                "create_broadcast",
                {
                    "broadcast": keys.broadcast(broadcast_id),
                    "broadcasts": keys.BROADCASTS,
                    "active": keys.ACTIVE_BROADCASTS,
                    "idempotency": [keys.idempotency(idempotency_key)] if idempotency_key else [],
                },
                {
                    "broadcast": broadcast_id,
                    "now": unix_milliseconds(now),
                    "definition": text,
                    "status": status.value,
                    "key_life": milliseconds(IDEMPOTENCY_LIFE),
                    "as_given": hashlib.sha256(text.encode()).hexdigest(),
                    "in_utc": hashlib.sha256(definition.in_utc().to_json().encode()).hexdigest(),
                },
            )
        return known_id.decode(), bool(is_same)

    def find_by_key(self, idempotency_key: str) -> str | None:
        """The id of the broadcast that an Idempotency-Key stands for, or None."""
        with unavailable_on_error():
            known: Any = self._client.hget(keys.idempotency(idempotency_key), "id")
        return known.decode() if known else None

    def find(self, broadcast_id: str) -> BroadcastRecord | None:
        """The broadcast, or None. What has not the form of an id (a URL may hold anything) is not even looked up."""
        if not BROADCAST_ID.fullmatch(broadcast_id):
            return None
        with unavailable_on_error():
            raw: Any = self._client.hgetall(keys.broadcast(broadcast_id))
        if not raw:
            return None
        fields = {name.decode(): value.decode() for name, value in raw.items()}
        definition = Definition.from_json(fields["definition"])
        if "is_marketing" in fields:  # by Meta's judgement, which overrules the admin's
            definition = replace(definition, purpose=Purpose.MARKETING)
        return BroadcastRecord(
            id=broadcast_id,
            definition=definition,
            status=BroadcastStatus(fields["status"]),
            reason=fields.get("reason", ""),
            created_at=moment_at(int(fields["created_at"])),
            fields=fields,
        )

    def newest(self, offset: int, count: int) -> list[str]:
        """Ids, the newest first."""
        with unavailable_on_error():
            found: Any = self._client.zrevrange(keys.BROADCASTS, offset, offset + count - 1)
        return [broadcast_id.decode() for broadcast_id in found]

    def created_before(self, moment: datetime) -> list[str]:
        """Ids of the broadcasts that were created before ``moment``, the oldest first."""
        with unavailable_on_error():
            found: Any = self._client.zrangebyscore(keys.BROADCASTS, "-inf", f"({unix_milliseconds(moment)}")
        return [broadcast_id.decode() for broadcast_id in found]

    def active(self) -> list[str]:
        """Ids of the broadcasts that are not over, or have messages in flight; the oldest first."""
        with unavailable_on_error():
            found: Any = self._client.smembers(keys.ACTIVE_BROADCASTS)
        return sorted(broadcast_id.decode() for broadcast_id in found)

    def transition(
        self, broadcast_id: str, to: BroadcastStatus, came_from: Iterable[BroadcastStatus], reason: str = ""
    ) -> tuple[BroadcastStatus, bool]:
        """Change the status; the status before, and whether it was one of ``came_from`` and so changed."""
        with unavailable_on_error():
            before, moved = self._scripts.run(
                "transition",
                {"broadcast": keys.broadcast(broadcast_id), "active": keys.ACTIVE_BROADCASTS},
                {
                    "broadcast": broadcast_id,
                    "status": to.value,
                    "reason": reason,
                    "is_final": int(to.is_final),
                    "came_from": [status.value for status in came_from],
                },
            )
        return BroadcastStatus(before.decode()), bool(moved)

    def reopen(self, broadcast_id: str) -> None:
        """Let a completed broadcast send again what has become pending."""
        self.transition(broadcast_id, BroadcastStatus.SENDING, (BroadcastStatus.COMPLETED,))

    def deactivate(self, broadcast_id: str, status: BroadcastStatus) -> None:
        """Take a broadcast that is over out of the active ones, unless it has left that status meanwhile."""
        with unavailable_on_error():
            self._scripts.run(
                "deactivate",
                {"broadcast": keys.broadcast(broadcast_id), "active": keys.ACTIVE_BROADCASTS},
                {"broadcast": broadcast_id, "status": status.value},
            )

    def set_fields(self, broadcast_id: str, **fields: str | int | float) -> None:
        """Write fields of the broadcast's record."""
        with unavailable_on_error():
            self._client.hset(
                keys.broadcast(broadcast_id), mapping={name: str(value) for name, value in fields.items()}
            )

    def note_limit(self, broadcast_id: str, now: datetime) -> datetime:
        """Note that Twilio limits the sender of this broadcast now; since when it does so without a pause."""
        with unavailable_on_error():
            known: Any = self._client.hmget(keys.broadcast(broadcast_id), "limited_since", "limited_at")
        since, last = (moment_at(int(value)) if value else None for value in known)
        if since is None or last is None or now - last > LIMIT_PAUSE:
            since = now
        self.set_fields(broadcast_id, limited_since=unix_milliseconds(since), limited_at=unix_milliseconds(now))
        return since

    def clear_limit(self, broadcast_id: str) -> None:
        """End a limit, because Twilio accepted a message again or the broadcast has stopped; the next is another."""
        with unavailable_on_error():
            self._client.hdel(keys.broadcast(broadcast_id), "limited_since", "limited_at")

    def schedule(self, broadcast_id: str, at: datetime) -> None:
        """Make the broadcast due work of its shard, due at its time. A repeat changes nothing."""
        with unavailable_on_error():
            self._client.zadd(keys.due_for(broadcast_id), {_due(broadcast_id): unix_milliseconds(at)}, nx=True)

    def unschedule(self, broadcast_id: str) -> None:
        """Take the broadcast out of the due work of its shard."""
        with unavailable_on_error():
            self._client.zrem(keys.due_for(broadcast_id), _due(broadcast_id))

    def forget(self, broadcast_id: str) -> None:
        """Remove all that is kept of a broadcast that is over, its audience and recipients too.

        The shards go first: as long as it is listed, a removal that was interrupted can be repeated.
        """
        with unavailable_on_error():
            for shard in range(SHARDS):
                self._client.unlink(*(in_shard(shard, broadcast_id, part) for part in _PARTS))
            self._client.zrem(keys.due_for(broadcast_id), _due(broadcast_id))
            self._scripts.run(
                "forget_broadcast",
                {
                    "broadcast": keys.broadcast(broadcast_id),
                    "broadcasts": keys.BROADCASTS,
                    "active": keys.ACTIVE_BROADCASTS,
                },
                {"broadcast": broadcast_id},
            )


def _due(broadcast_id: str) -> str:
    return f"{DueWork.BROADCAST}:{broadcast_id}"
