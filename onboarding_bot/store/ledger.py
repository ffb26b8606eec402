"""The ledger of broadcasts in Redis: who is in the audience, one row for each recipient, and what became of it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.outbound.definition import Definition, Purpose
from onboarding_bot.outbound.states import BroadcastStatus, RowState
from onboarding_bot.store import keys
from onboarding_bot.store.connection import AnyRedis
from onboarding_bot.store.errors import milliseconds, unavailable_on_error, unix_milliseconds
from onboarding_bot.store.keys import SHARDS, Keys, in_shard
from onboarding_bot.store.records import Sealer
from onboarding_bot.store.scripts import Scripts

WINDOW = timedelta(hours=24)
# A message that leaves in the last minutes of the window may arrive after it.
WINDOW_IN_HAND = timedelta(minutes=5)
IDEMPOTENCY_LIFE = timedelta(days=7)
BATCH = 500


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


@dataclass(frozen=True, slots=True)
class Claim:
    """The right, and the duty, to send one message."""

    contact: Contact
    tries: int


@dataclass(frozen=True, slots=True)
class Slot:
    """When the next message may go out, or why none may. ``verdict`` is go, status, wave or daily."""

    verdict: str
    wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient of a broadcast."""

    person_id: str
    state: RowState
    code: str
    message_sid: str
    tries: int


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
                ],
            )
        return _decoded(known_id), bool(is_same)

    def find(self, broadcast_id: str) -> BroadcastRecord | None:
        """The broadcast, or None."""
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

    def active(self) -> list[str]:
        """The ids of all that are not final."""
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

    def reopen(self, broadcast_id: str) -> None:
        """Let a completed broadcast send again what has become pending."""
        self.move(broadcast_id, BroadcastStatus.SENDING, (BroadcastStatus.COMPLETED,))
        with unavailable_on_error():
            self._client.sadd(keys.ACTIVE_BROADCASTS, broadcast_id)

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
        """Fix the audience as it is now, shard by shard; how many people it has.

        People who move on meanwhile are neither missed nor doubled.
        """
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                source = keys.step_index(shard, target_step) if target_step else keys.contacts_of(shard)
                alive = f"({unix_milliseconds(now)}" if target_step else "-inf"
                pipeline.zrangestore(
                    in_shard(shard, broadcast_id, "audience"),
                    source,
                    alive,
                    "+inf",
                    byscore=True,
                )
            return sum(pipeline.execute())

    def audience(self, broadcast_id: str, shard: int, offset: int) -> list[str]:
        """The next people of the fixed audience of a shard."""
        with unavailable_on_error():
            found: Any = self._client.zrange(in_shard(shard, broadcast_id, "audience"), offset, offset + BATCH - 1)
        return [_decoded(person_id) for person_id in found]

    def living_audience(self, shard: int, target_step: OnboardingStep | None, now: datetime) -> Iterator[list[str]]:
        """The people that an audience would have now, in batches; for a dry run, which fixes nothing."""
        index = keys.step_index(shard, target_step) if target_step else keys.contacts_of(shard)
        alive = f"({unix_milliseconds(now)}" if target_step else "-inf"
        offset = 0
        while True:
            with unavailable_on_error():
                found: Any = self._client.zrangebyscore(index, alive, "+inf", start=offset, num=BATCH)
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

    def enrol(
        self, broadcast_id: str, shard: int, people: Sequence[str], definition: Definition, now: datetime
    ) -> None:
        """Make a row for each of these people: pending, or skipped with the reason. A repeat changes nothing."""
        self._classify(broadcast_id, shard, people, definition, now, only_count=False)

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

    def unfinished(self, broadcast_id: str) -> int:
        """How many rows are pending or being sent."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zcard(in_shard(shard, broadcast_id, "pending"))
                pipeline.zcard(in_shard(shard, broadcast_id, "inflight"))
            return sum(pipeline.execute())

    def candidates(self, broadcast_id: str, shard: int, count: int, now: datetime) -> list[tuple[str, bool]]:
        """Who is next in this shard, and whether each wrote within the window."""
        with unavailable_on_error():
            found: Any = self._client.zrangebyscore(
                in_shard(shard, broadcast_id, "pending"), "-inf", unix_milliseconds(now), start=0, num=count
            )
            people = [_decoded(person_id) for person_id in found]
            if not people:
                return []
            times: Any = self._client.zmscore(keys.contacts_of(shard), people)
        opens = unix_milliseconds(now - WINDOW + WINDOW_IN_HAND)
        return [(person_id, bool(time and time > opens)) for person_id, time in zip(people, times, strict=True)]

    def take_slot(
        self,
        broadcast_id: str,
        seconds_between: float,
        outside_window: str | None = None,
        daily_limit: int = 0,
        *,
        is_first_try: bool = True,
    ) -> Slot:
        """Reserve the next moment for a message of this broadcast, over all workers.

        ``outside_window`` is the person, when only a place among the day's people outside the window lets it go out.
        """
        with unavailable_on_error():
            verdict, *wait = self._scripts.run(
                "slot",
                [keys.SLOTS, keys.broadcast(broadcast_id), keys.OUTSIDE_WINDOW_TODAY],
                [round(seconds_between * 1_000_000), int(is_first_try), outside_window or "", daily_limit],
            )
        return _slot(_decoded(verdict), wait)

    def take_urgent_slot(self, seconds_between: float) -> Slot:
        """Reserve the next moment for a message that is no bulk."""
        with unavailable_on_error():
            verdict, *wait = self._scripts.run("slot", [keys.SLOTS], [round(seconds_between * 1_000_000)])
        return _slot(_decoded(verdict), wait)

    def slow_down(self, seconds: float) -> None:
        """Twilio asked for a pause: every worker keeps it."""
        with unavailable_on_error():
            self._scripts.run("slow_down", [keys.SLOTS], [round(seconds * 1_000_000)])

    def claim(self, broadcast_id: str, person_id: str, definition: Definition, now: datetime) -> Claim | None:
        """The last decision before the call to Twilio; None when this person is not to be written to (any more)."""
        shard = keys.shard_of(person_id)
        with unavailable_on_error():
            answer = self._scripts.run(
                "claim",
                [
                    *(in_shard(shard, broadcast_id, what) for what in ("pending", "rows", "counts", "inflight")),
                    self._keys.contacts(person_id),
                    self._keys.opt_out(person_id),
                    self._keys.permit(person_id),
                    self._keys.contact(person_id),
                ],
                [person_id, unix_milliseconds(now), *_rules(definition), broadcast_id],
            )
        if _decoded(answer[0]) != "go":
            return None
        contact = self._sealer.contact(person_id, answer[1], None)
        if contact is None:
            self.record(broadcast_id, person_id, RowState.FAILED, code="unreadable", is_known_not_out=True)
            return None
        return Claim(contact, int(answer[2]))

    def record(
        self,
        broadcast_id: str,
        person_id: str,
        state: RowState,
        *,
        code: str = "",
        message_sid: str = "",
        again_at: datetime | None = None,
        is_known_not_out: bool = False,
    ) -> None:
        """Write down how a send ended; a callback that was quicker is not undone."""
        shard = keys.shard_of(person_id)
        with unavailable_on_error():
            self._scripts.run(
                "record",
                [
                    *(in_shard(shard, broadcast_id, what) for what in ("pending", "rows", "counts", "inflight")),
                    self._keys.permit(person_id),
                ],
                [
                    person_id,
                    state.value,
                    code,
                    message_sid,
                    unix_milliseconds(again_at) if again_at else 0,
                    int(is_known_not_out),
                ],
            )

    def apply_callback(
        self,
        broadcast_id: str,
        person_id: str,
        state: RowState,
        code: str,
        message_sid: str,
        again_at: datetime | None = None,
    ) -> tuple[RowState, RowState] | None:
        """Move a row by a status callback, never backwards; the states before and after, None without such a row."""
        shard = keys.shard_of(person_id)
        with unavailable_on_error():
            answer = self._scripts.run(
                "callback",
                [in_shard(shard, broadcast_id, what) for what in ("pending", "rows", "counts", "inflight")],
                [person_id, state.value, code, message_sid, unix_milliseconds(again_at) if again_at else 0],
            )
        return (RowState(_decoded(answer[0])), RowState(_decoded(answer[1]))) if answer else None

    def suppress(self, person_id: str, code: int) -> None:
        """Write to this person no more: Twilio says that the number is blocked or opted out."""
        with unavailable_on_error():
            self._client.hset(self._keys.permit(person_id), "suppressed", str(code))

    def count_against(self, broadcast_id: str, person_id: str, code: int, strikes: int) -> None:
        """Suppress this person once ``strikes`` different broadcasts met such an error."""
        permit = self._keys.permit(person_id)
        with unavailable_on_error():
            self._client.hset(permit, f"trouble:{broadcast_id}", str(code))
            names: Any = self._client.hkeys(permit)
            if sum(_decoded(name).startswith("trouble:") for name in names) >= strikes:
                self._client.hset(permit, "suppressed", str(code))

    def mark_uncertain(self, broadcast_id: str, claimed_before: datetime) -> int:
        """Rows whose worker must have died become uncertain; how many."""
        found = 0
        for shard in range(SHARDS):
            with unavailable_on_error():
                stale: Any = self._client.zrangebyscore(
                    in_shard(shard, broadcast_id, "inflight"), "-inf", unix_milliseconds(claimed_before)
                )
            for person_id in stale:
                self.record(broadcast_id, _decoded(person_id), RowState.UNCERTAIN)
                found += 1
        return found

    def rows(self, broadcast_id: str) -> Iterator[list[Row]]:
        """All rows, in batches of one shard each."""
        for shard in range(SHARDS):
            cursor = 0
            while True:
                with unavailable_on_error():
                    answer: Any = self._client.hscan(in_shard(shard, broadcast_id, "rows"), cursor, count=BATCH)
                cursor, found = answer
                if found:
                    yield [_row(_decoded(person_id), _decoded(text)) for person_id, text in found.items()]
                if not cursor:
                    break

    def send_again(self, broadcast_id: str, row: Row, now: datetime) -> None:
        """Make an uncertain row pending again, because an admin says so."""
        shard = keys.shard_of(row.person_id)
        with unavailable_on_error():
            self._scripts.run(
                "send_again",
                [in_shard(shard, broadcast_id, what) for what in ("pending", "rows", "counts")],
                [row.person_id, unix_milliseconds(now)],
            )

    def stops_among(self, people: Sequence[str]) -> int:
        """How many of these people, all of one shard, have said STOP."""
        with unavailable_on_error():
            found: Any = self._client.exists(*(self._keys.opt_out(person_id) for person_id in people))
        return int(found)

    # --- workers ----------------------------------------------------------------------------------------------------

    def become_sweeper(self, worker: str, life: timedelta) -> bool:
        """Whether this worker is the one that looks after all broadcasts for now."""
        with unavailable_on_error():
            if self._client.set(keys.SWEEPER, worker, nx=True, px=milliseconds(life)):
                return True
            if self._client.get(keys.SWEEPER) != worker.encode():
                return False
            return bool(self._client.pexpire(keys.SWEEPER, milliseconds(life)))

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


def _rules(definition: Definition) -> list[int]:
    is_marketing = definition.purpose is Purpose.MARKETING
    return [int(definition.is_template), int(is_marketing), milliseconds(WINDOW - WINDOW_IN_HAND)]


def _slot(verdict: str, wait: Sequence[Any]) -> Slot:
    match verdict:
        case "go":
            return Slot("go", int(wait[0]) / 1_000_000)
        case "daily":
            return Slot("daily", int(wait[0]) / 1000)
        case _:
            return Slot(verdict)


def _row(person_id: str, text: str) -> Row:
    state, code, message_sid, tries, _accepted = text.split("|")
    return Row(person_id, RowState(state), code, message_sid, int(tries))


def _decoded(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
