"""The ledger of broadcasts in Redis: who is in the audience, one row for each recipient, and what became of it."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.observability import metrics
from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RowState
from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.storage import keys
from onboarding_bot.storage.aliases import Alias
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import SHARDS, Keys, in_shard
from onboarding_bot.storage.milliseconds import milliseconds, unix_milliseconds
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.scripts import Scripts

WINDOW = timedelta(hours=24)
# A message that leaves in the last minutes of the window may arrive after it.
WINDOW_IN_HAND = timedelta(minutes=5)
# A limit that was last met longer ago, before a pause or a night for instance, is another one.
LIMIT_PAUSE = timedelta(minutes=1)
IDEMPOTENCY_LIFE = timedelta(days=7)
BATCH = 500
# All that a shard keeps of a broadcast, leases apart, which end by themselves.
_PARTS = ("audience", "rows", "counts", "pending", "inflight", "progress")
_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class BroadcastRecord:
    """What is stored of a broadcast beside its rows."""

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
        """Whether every recipient has a row."""
        return "counted_at" in self.fields

    @property
    def moved_at(self) -> datetime | None:
        """When it came into its status, by Redis's clock; None when an older release moved it."""
        return _moment(self.fields.get("moved_at", "0"))

    @property
    def is_limited(self) -> bool:
        """Whether Twilio limited the sender lately, and has taken no message of this broadcast since."""
        return "limited_since" in self.fields


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who is next: whether the person wrote within the window, and whether this would be the row's first try.

    ``retries`` is how often the row was backed off so far, ``changed_at`` when it was last written (None: not known).
    """

    person_id: str
    wrote_lately: bool
    is_first_try: bool
    retries: int = 0
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """Somebody with a contact record (None: it cannot be read), and whether they want no messages."""

    contact: Contact | None
    has_opted_out: bool


@dataclass(frozen=True, slots=True)
class Again:
    """When a message that failed is tried again: at the next moment, by how often the row was put off before.

    ``counted_as`` is retries or later; "" is not counted, and always means the first moment.
    """

    moments: tuple[datetime, ...]
    counted_as: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient of a broadcast. Of rows that an older release wrote the times are not known."""

    person_id: str
    state: RowState
    code: str
    message_sid: str
    tries: int
    accepted_at: datetime | None = None
    changed_at: datetime | None = None

    @property
    def is_erased(self) -> bool:
        """Whether nobody can tell any more who it was."""
        return keys.is_erased(self.person_id)


class Ledger:
    """All that broadcasts keep. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis, person_keys: Keys, sealer: Sealer) -> None:
        self._client = client
        self._keys = person_keys
        self._sealer = sealer
        self._scripts = Scripts(client)

    # --- broadcasts -------------------------------------------------------------------------------------------------

    def create(self, definition: Definition, now: datetime, idempotency_key: str | None) -> tuple[str, bool]:
        """The id of the new broadcast, or of the key's earlier one, and whether the definition is the same."""
        broadcast_id = f"{unix_milliseconds(now):012x}{secrets.token_hex(6)}"
        text = definition.to_json()
        status = BroadcastStatus.SCHEDULED if definition.schedule_at else BroadcastStatus.COUNTING
        with unavailable_on_error():
            known_id, is_same = self._scripts.run(
                "create_broadcast",
                [
                    keys.broadcast(broadcast_id),
                    keys.BROADCASTS,
                    keys.ACTIVE_BROADCASTS,
                    *([keys.idempotency(idempotency_key)] if idempotency_key else []),
                ],
                [
                    broadcast_id,
                    unix_milliseconds(now),
                    text,
                    status.value,
                    milliseconds(IDEMPOTENCY_LIFE),
                    hashlib.sha256(text.encode()).hexdigest(),
                    hashlib.sha256(definition.in_utc().to_json().encode()).hexdigest(),
                ],
            )
        return _decoded(known_id), bool(is_same)

    def find_by_key(self, idempotency_key: str) -> str | None:
        """The id of the broadcast that an Idempotency-Key stands for, or None."""
        with unavailable_on_error():
            known: Any = self._client.hget(keys.idempotency(idempotency_key), "id")
        return _decoded(known) if known else None

    def find(self, broadcast_id: str) -> BroadcastRecord | None:
        """The broadcast, or None; what is no id at all (anything may stand in a URL) is not even looked up."""
        if not _ID.fullmatch(broadcast_id):
            return None
        with unavailable_on_error():
            raw: Any = self._client.hgetall(keys.broadcast(broadcast_id))
        if not raw:
            return None
        fields = {_decoded(name): _decoded(value) for name, value in raw.items()}
        definition = Definition.from_json(fields["definition"])
        if "is_marketing" in fields:  # by Meta's judgement, whatever the admin called it
            definition = replace(definition, purpose=Purpose.MARKETING)
        return BroadcastRecord(
            id=broadcast_id,
            definition=definition,
            status=BroadcastStatus(fields["status"]),
            reason=fields.get("reason", ""),
            created_at=datetime.fromtimestamp(int(fields["created_at"]) / 1000, UTC),
            fields=fields,
        )

    def newest(self, offset: int, count: int) -> list[str]:
        """Ids, the newest first."""
        with unavailable_on_error():
            found: Any = self._client.zrevrange(keys.BROADCASTS, offset, offset + count - 1)
        return [_decoded(broadcast_id) for broadcast_id in found]

    def made_before(self, moment: datetime) -> list[str]:
        """Ids of broadcasts that were made before ``moment``, the oldest first."""
        with unavailable_on_error():
            found: Any = self._client.zrangebyscore(keys.BROADCASTS, "-inf", f"({unix_milliseconds(moment)}")
        return [_decoded(broadcast_id) for broadcast_id in found]

    def forget(self, broadcast_id: str) -> None:
        """Remove all that is kept of a broadcast that is over.

        The shards go first: as long as it is listed, a round that was interrupted can be repeated.
        """
        with unavailable_on_error():
            for shard in range(SHARDS):
                self._client.unlink(*(in_shard(shard, broadcast_id, part) for part in _PARTS))
            self._client.zrem(keys.due_for(broadcast_id), _due(broadcast_id))
            self._scripts.run(
                "forget_broadcast",
                [keys.broadcast(broadcast_id), keys.BROADCASTS, keys.ACTIVE_BROADCASTS],
                [broadcast_id],
            )

    def active(self) -> list[str]:
        """The ids of all that are not over, or have messages in flight."""
        with unavailable_on_error():
            found: Any = self._client.smembers(keys.ACTIVE_BROADCASTS)
        return sorted(_decoded(broadcast_id) for broadcast_id in found)

    def move(
        self, broadcast_id: str, to: BroadcastStatus, came_from: Iterable[BroadcastStatus], reason: str = ""
    ) -> tuple[BroadcastStatus, bool]:
        """Change the status; the status before, and whether it was one of ``came_from`` and so changed."""
        with unavailable_on_error():
            before, moved = self._scripts.run(
                "transition",
                [keys.broadcast(broadcast_id), keys.ACTIVE_BROADCASTS],
                [broadcast_id, to.value, reason, int(to.is_final), *(status.value for status in came_from)],
            )
        return BroadcastStatus(_decoded(before)), bool(moved)

    def note(self, broadcast_id: str, **fields: str | int | float) -> None:
        """Write fields of the broadcast's record."""
        with unavailable_on_error():
            self._client.hset(
                keys.broadcast(broadcast_id), mapping={name: str(value) for name, value in fields.items()}
            )

    def limited_since(self, broadcast_id: str, now: datetime) -> datetime:
        """Note that Twilio limits the sender of this broadcast now; since when it does so without a pause."""
        name = keys.broadcast(broadcast_id)
        with unavailable_on_error():
            known: Any = self._client.hmget(name, "limited_since", "limited_at")
            since, last = (_moment(_decoded(value)) if value else None for value in known)
            if since is None or last is None or now - last > LIMIT_PAUSE:
                since = now
            self.note(broadcast_id, limited_since=unix_milliseconds(since), limited_at=unix_milliseconds(now))
        return since

    def limit_is_over(self, broadcast_id: str) -> None:
        """A message was taken again, or the broadcast has stopped: the next limit counts from its own beginning."""
        with unavailable_on_error():
            self._client.hdel(keys.broadcast(broadcast_id), "limited_since", "limited_at")

    def reopen(self, broadcast_id: str) -> None:
        """Let a completed broadcast send again what has become pending."""
        self.move(broadcast_id, BroadcastStatus.SENDING, (BroadcastStatus.COMPLETED,))

    def retire(self, broadcast_id: str, status: BroadcastStatus) -> None:
        """Look after a broadcast no more that is over, unless it has left that status meanwhile."""
        with unavailable_on_error():
            self._scripts.run(
                "retire", [keys.broadcast(broadcast_id), keys.ACTIVE_BROADCASTS], [broadcast_id, status.value]
            )

    def schedule(self, broadcast_id: str, at: datetime) -> None:
        """Have ``take_due`` find a broadcast when its time has come. A repeat changes nothing."""
        with unavailable_on_error():
            self._client.zadd(keys.due_for(broadcast_id), {_due(broadcast_id): unix_milliseconds(at)}, nx=True)

    def unschedule(self, broadcast_id: str) -> None:
        """There is nothing (more) to begin."""
        with unavailable_on_error():
            self._client.zrem(keys.due_for(broadcast_id), _due(broadcast_id))

    def postpone(self, broadcast_id: str, person_id: str, until: datetime) -> None:
        """Let a pending row wait."""
        pending = in_shard(keys.shard_of(person_id), broadcast_id, "pending")
        with unavailable_on_error():
            self._client.zadd(pending, {person_id: unix_milliseconds(until)}, xx=True)

    def counts(self, broadcast_id: str) -> dict[str, int]:
        """Rows by state, and what is counted beside them (``accepted``, ``skipped:reason``, ``failed:code``)."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.hgetall(in_shard(shard, broadcast_id, "counts"))
            answers = pipeline.execute()
        sums: dict[str, int] = {}
        for answer in answers:
            for name, count in answer.items():
                sums[_decoded(name)] = sums.get(_decoded(name), 0) + int(count)
        return sums

    # --- the audience -----------------------------------------------------------------------------------------------

    def copy_audience(self, broadcast_id: str, target_step: OnboardingStep | None, now: datetime) -> int:
        """Fix the audience as it is now, shard by shard; how many people it has. A repeat changes nothing."""
        size = 0
        with unavailable_on_error():
            for shard in range(SHARDS):
                source, lowest = _living(shard, target_step, now)
                copy = in_shard(shard, broadcast_id, "audience")
                size += int(self._scripts.run("copy_audience", [copy, source], [lowest]))
        return size

    def audience(self, broadcast_id: str, shard: int, offset: int) -> list[str]:
        """The next people of the fixed audience of a shard; of some only a name may be left (``is_erased``)."""
        with unavailable_on_error():
            found: Any = self._client.zrange(in_shard(shard, broadcast_id, "audience"), offset, offset + BATCH - 1)
        return [_decoded(person_id) for person_id in found]

    def living_audience(self, shard: int, target_step: OnboardingStep | None, now: datetime) -> Iterator[list[str]]:
        """The people that an audience would have now, in batches; for a dry run, which fixes nothing."""
        index, lowest = _living(shard, target_step, now)
        offset = 0
        while True:
            with unavailable_on_error():
                found: Any = self._client.zrangebyscore(index, lowest, "+inf", start=offset, num=BATCH)
            if not found:
                return
            yield [_decoded(person_id) for person_id in found]
            offset += len(found)

    def contacts(self, people: Sequence[str]) -> list[Contact | None]:
        """The contact records of people of one shard."""
        if not people:
            return []
        with unavailable_on_error():
            found: Any = self._client.mget(
                [name for person_id in people for name in (self._keys.contact(person_id), self._keys.draft(person_id))]
            )
        pairs = zip(found[::2], found[1::2], strict=True)
        return [
            self._sealer.contact(person_id, contact, draft)
            for person_id, (contact, draft) in zip(people, pairs, strict=True)
        ]

    def everybody(self, since: datetime | None = None) -> Iterator[list[KnownPerson]]:
        """All who have a contact record and wrote at ``since`` or later, also those whom no broadcast may reach.

        They come in batches of one shard each. Who is in a shard is asked at once: an index that moves meanwhile hides
        nobody who was known when this began.
        """
        for shard in range(SHARDS):
            lowest = unix_milliseconds(since) if since else "-inf"
            with unavailable_on_error():
                found: Any = self._client.zrangebyscore(keys.contacts_of(shard), lowest, "+inf")
            people = [_decoded(person_id) for person_id in found]
            for first in range(0, len(people), BATCH):
                yield self._known(people[first : first + BATCH])

    def _known(self, people: Sequence[str]) -> list[KnownPerson]:
        names = (self._keys.contact, self._keys.draft, self._keys.opt_out)
        with unavailable_on_error():
            found: Any = self._client.mget([name(person_id) for person_id in people for name in names])
        values = zip(people, found[::3], found[1::3], found[2::3], strict=True)
        return [
            KnownPerson(self._sealer.contact(person_id, contact, draft), has_opted_out=opt_out is not None)
            for person_id, contact, draft, opt_out in values
            # The index is cleared a while after a record has expired.
            if contact is not None
        ]

    def enrol(
        self, broadcast_id: str, shard: int, people: Sequence[str], definition: Definition, now: datetime
    ) -> None:
        """Make a row for each of these people: pending, or skipped with the reason. A repeat changes nothing."""
        found = self._classify(broadcast_id, shard, people, definition, now, only_count=False)
        pending = found.get(RowState.PENDING, 0)
        metrics.broadcast_row_became(RowState.PENDING, pending)
        outside = found.get("outside", 0)
        metrics.broadcast_row_became(RowState.SKIPPED, sum(found.values()) - pending - outside)

    def classify(self, shard: int, people: Sequence[str], definition: Definition, now: datetime) -> dict[str, int]:
        """What ``enrol`` would do: how many pending (``outside`` the window, of them), and how many for each reason."""
        return self._classify("dry-run", shard, people, definition, now, only_count=True)

    def progress(self, broadcast_id: str, shard: int) -> int:
        """How many people of this shard's audience were looked at."""
        with unavailable_on_error():
            return int(self._client.hget(in_shard(shard, broadcast_id, "progress"), "looked_at") or 0)

    def set_progress(self, broadcast_id: str, shard: int, looked_at: int, *, is_done: bool) -> None:
        """Remember how far the enrolment of this shard came."""
        with unavailable_on_error():
            self._client.hset(
                in_shard(shard, broadcast_id, "progress"), mapping={"looked_at": looked_at, "done": int(is_done)}
            )

    def shards_not_enrolled(self, broadcast_id: str) -> list[int]:
        """The shards whose audience was not looked at to its end."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.hget(in_shard(shard, broadcast_id, "progress"), "done")
            return [shard for shard, done in enumerate(pipeline.execute()) if done != b"1"]

    # --- sending ----------------------------------------------------------------------------------------------------

    def lease(self, broadcast_id: str, shard: int, what: str, life: timedelta) -> bool:
        """Take a piece of work; nobody else does until the lease is over or given back."""
        with unavailable_on_error():
            return bool(
                self._client.set(in_shard(shard, broadcast_id, f"lease-{what}"), "1", nx=True, px=milliseconds(life))
            )

    def renew(self, broadcast_id: str, shard: int, what: str, life: timedelta) -> None:
        """Hold the lease for longer."""
        with unavailable_on_error():
            self._client.set(in_shard(shard, broadcast_id, f"lease-{what}"), "1", px=milliseconds(life))

    def give_back(self, broadcast_id: str, shard: int, what: str) -> None:
        """End the lease."""
        with unavailable_on_error():
            self._client.delete(in_shard(shard, broadcast_id, f"lease-{what}"))

    def due_shards(self, broadcast_id: str, now: datetime) -> list[int]:
        """The shards in which somebody can be written to now."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zcount(in_shard(shard, broadcast_id, "pending"), "-inf", unix_milliseconds(now))
            return [shard for shard, count in enumerate(pipeline.execute()) if count]

    def in_flight(self, broadcast_id: str) -> int:
        """How many rows are being sent."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zcard(in_shard(shard, broadcast_id, "inflight"))
            return sum(pipeline.execute())

    def candidates(self, broadcast_id: str, shard: int, count: int, now: datetime) -> list[Candidate]:
        """Who is next in this shard."""
        with unavailable_on_error():
            found: Any = self._client.zrangebyscore(
                in_shard(shard, broadcast_id, "pending"), "-inf", unix_milliseconds(now), start=0, num=count
            )
            people = [_decoded(person_id) for person_id in found]
            if not people:
                return []
            times: Any = self._client.zmscore(keys.contacts_of(shard), people)
            texts: Any = self._client.hmget(in_shard(shard, broadcast_id, "rows"), people)
        opens = unix_milliseconds(now - WINDOW + WINDOW_IN_HAND)
        return [
            _candidate(person_id, _decoded(text), wrote_lately=bool(time and time > opens))
            for person_id, time, text in zip(people, times, texts, strict=True)
            # Between the two looks somebody may have been erased.
            if text is not None
        ]

    def claim(self, broadcast_id: str, person_id: str, definition: Definition, now: datetime) -> Contact | None:
        """The last decision before the call to Twilio: whom to write to, or None when it may not be (any more)."""
        *names, permit = self._names_of_row(broadcast_id, person_id)
        with unavailable_on_error():
            answer = self._scripts.run(
                "claim",
                [
                    *names,
                    self._keys.contacts(person_id),
                    self._keys.opt_out(person_id),
                    permit,
                    self._keys.contact(person_id),
                ],
                [person_id, unix_milliseconds(now), *_rules(definition), broadcast_id],
            )
        verdict = _decoded(answer[0])
        if verdict == "skipped":
            metrics.broadcast_row_became(RowState.SKIPPED)
        if verdict != "go":
            return None
        metrics.broadcast_row_became(RowState.SENDING)
        contact = self._sealer.contact(person_id, answer[1], None)
        if contact is None:
            self.record(broadcast_id, person_id, RowState.FAILED, code="unreadable")
        return contact

    def put_back(self, broadcast_id: str, person_id: str, now: datetime) -> None:
        """Take a claim back of which nothing was sent."""
        with unavailable_on_error():
            self._scripts.run(
                "put_back",
                self._names_of_row(broadcast_id, person_id),
                [person_id, broadcast_id, unix_milliseconds(now)],
            )

    def record(
        self,
        broadcast_id: str,
        person_id: str,
        state: RowState,
        *,
        code: str = "",
        message_sid: str = "",
        again: Again | None = None,
    ) -> None:
        """Write down how a send ended: SENT, UNCERTAIN, or FAILED, which waits as long as ``again`` has a moment.

        A callback that was quicker is not undone.
        """
        with unavailable_on_error():
            answer = self._scripts.run(
                "record",
                self._names_of_row(broadcast_id, person_id),
                [person_id, broadcast_id, state.value, code, message_sid, *_moments(again)],
            )
        _count_move(answer)

    def apply_callback(
        self,
        broadcast_id: str,
        person_id: str,
        state: RowState,
        code: str,
        message_sid: str,
        again: Again | None = None,
    ) -> tuple[RowState, RowState] | None:
        """Move a row by a status callback, never backwards; the states before and after, None without such a row."""
        with unavailable_on_error():
            answer = self._scripts.run(
                "callback",
                self._names_of_row(broadcast_id, person_id),
                [person_id, broadcast_id, state.value, code, message_sid, *_moments(again)],
            )
        return _count_move(answer)

    def present_id(self, person_id: str) -> str:
        """Whom this id stands for by now: rows keep the id of a record that was joined to another one since."""
        met: list[str] = []
        while person_id not in met:
            met.append(person_id)
            with unavailable_on_error():
                found: Any = self._client.get(self._keys.alias(person_id))
            alias = Alias.from_value(found or b"")
            if alias and alias.is_same_person:
                person_id = alias.person_id
        return person_id

    def suppress(self, person_id: str, code: int) -> None:
        """Write to this person no more: Twilio says that the number is blocked or opted out."""
        with unavailable_on_error():
            self._scripts.run("suppress", [self._keys.permit(person_id), self._keys.contact(person_id)], [code])

    def count_against(self, broadcast_id: str, person_id: str, code: int, strikes: int) -> None:
        """Suppress this person once ``strikes`` different broadcasts met such an error."""
        with unavailable_on_error():
            self._scripts.run(
                "suppress",
                [self._keys.permit(person_id), self._keys.contact(person_id)],
                [code, broadcast_id, strikes],
            )

    def mark_uncertain(self, broadcast_id: str, claimed_before: datetime) -> int:
        """Rows whose worker must have died become uncertain; how many."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zrangebyscore(
                    in_shard(shard, broadcast_id, "inflight"), "-inf", unix_milliseconds(claimed_before)
                )
            stale = [_decoded(person_id) for found in pipeline.execute() for person_id in found]
        for person_id in stale:
            self.record(broadcast_id, person_id, RowState.UNCERTAIN)
        return len(stale)

    def rows(self, broadcast_id: str) -> Iterator[list[Row]]:
        """All rows, each of them once, in batches of one shard each.

        They are found along the audience, which stays as it is: a scan of a hash that grows may show a row twice.
        """
        for shard in range(SHARDS):
            offset = 0
            while people := self.audience(broadcast_id, shard, offset):
                offset += len(people)
                with unavailable_on_error():
                    texts: Any = self._client.hmget(in_shard(shard, broadcast_id, "rows"), people)
                if found := [
                    _row(person_id, _decoded(text)) for person_id, text in zip(people, texts, strict=True) if text
                ]:
                    yield found

    def send_again(self, broadcast_id: str, row: Row, now: datetime) -> bool:
        """Make a row pending again, because an admin says so; whether it was uncertain."""
        pending, rows, counts, _inflight, permit = self._names_of_row(broadcast_id, row.person_id)
        with unavailable_on_error():
            return bool(
                self._scripts.run(
                    "send_again",
                    [pending, rows, counts, permit],
                    [row.person_id, broadcast_id, unix_milliseconds(now)],
                )
            )

    # --- workers ----------------------------------------------------------------------------------------------------

    def become_sweeper(self, worker: str, life: timedelta) -> bool:
        """Whether this worker is the one that looks after all broadcasts for now."""
        with unavailable_on_error():
            if self._client.set(keys.SWEEPER, worker, nx=True, px=milliseconds(life)):
                return True
            if self._client.get(keys.SWEEPER) != worker.encode():
                return False
            return bool(self._client.pexpire(keys.SWEEPER, milliseconds(life)))

    def _names_of_row(self, broadcast_id: str, person_id: str) -> list[str]:
        shard = keys.shard_of(person_id)
        names = [in_shard(shard, broadcast_id, what) for what in ("pending", "rows", "counts", "inflight")]
        return [*names, self._keys.permit(person_id)]

    def _classify(
        self,
        broadcast_id: str,
        shard: int,
        people: Sequence[str],
        definition: Definition,
        now: datetime,
        *,
        only_count: bool,
    ) -> dict[str, int]:
        if not people:
            return {}
        own = [name for person_id in people for name in (self._keys.opt_out(person_id), self._keys.permit(person_id))]
        with unavailable_on_error():
            answer = self._scripts.run(
                "enrol",
                [
                    *(in_shard(shard, broadcast_id, what) for what in ("rows", "counts", "pending")),
                    keys.contacts_of(shard),
                    *own,
                ],
                [unix_milliseconds(now), int(only_count), *_rules(definition), *people],
            )
        return {_decoded(name): int(count) for name, count in zip(answer[::2], answer[1::2], strict=True)}


def _count_move(answer: Any) -> tuple[RowState, RowState] | None:
    """The states of a row before and after, None without such a row; a move is counted."""
    if not answer:
        return None
    before, after = RowState(_decoded(answer[0])), RowState(_decoded(answer[1]))
    if after is not before:
        metrics.broadcast_row_became(after)
    return before, after


def _living(shard: int, target_step: OnboardingStep | None, now: datetime) -> tuple[str, str]:
    """The index that holds an audience's people, and the lowest score of those who belong to it now."""
    if target_step:
        return keys.step_index(shard, target_step), f"({unix_milliseconds(now)}"
    return keys.contacts_of(shard), "-inf"


def _due(broadcast_id: str) -> str:
    return f"{DueWork.BROADCAST}:{broadcast_id}"


def _moments(again: Again | None) -> list[str | int]:
    if again is None:
        return [""]
    return [again.counted_as, *(unix_milliseconds(moment) for moment in again.moments)]


def _rules(definition: Definition) -> list[int]:
    is_marketing = definition.purpose is Purpose.MARKETING
    return [int(definition.is_template), int(is_marketing), milliseconds(WINDOW - WINDOW_IN_HAND)]


def _row(person_id: str, text: str) -> Row:
    state, code, message_sid, tries, accepted, _retries, _later, _earlier, *changed = text.split("|")
    times = _moment(accepted), _moment(*changed)
    return Row(person_id, RowState(state), code, message_sid, int(tries), *times)


def _candidate(person_id: str, text: str, *, wrote_lately: bool) -> Candidate:
    row, retries = _row(person_id, text), int(text.split("|")[5])
    return Candidate(person_id, wrote_lately, row.tries == 0, retries, row.changed_at)


def _moment(text: str = "0") -> datetime | None:
    """A time of a row; what is too small for one says that there was none, or that it is not known."""
    unix = int(text)
    return datetime.fromtimestamp(unix / 1000, UTC) if unix > 1 else None


def _decoded(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
