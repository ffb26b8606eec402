"""The recipients of broadcasts in Redis: who is to be sent a message, and what became of each message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.observability import metrics
from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.outbound.broadcast_states import RecipientState
from onboarding_bot.outbound.retry_schedule import RetryPlan
from onboarding_bot.outbound.sending_window import SENDING_WINDOW
from onboarding_bot.storage import keys
from onboarding_bot.storage.audiences import Audiences
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import SHARDS, Keys, in_shard
from onboarding_bot.storage.milliseconds import milliseconds, moment_at, unix_milliseconds
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.scripts import Scripts

# What a dry run counts for: no broadcast has this id.
_NO_BROADCAST = "dry-run"
# How recipients.lua stores a recipient.
_FIELDS = ("state", "code", "message_sid", "tries", "accepted", "retries", "later", "earlier", "changed")


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient of a broadcast. Where an older release wrote it last, the times are not known (None)."""

    person_id: str
    state: RecipientState
    code: str
    message_sid: str
    tries: int
    accepted_at: datetime | None = None
    changed_at: datetime | None = None

    @property
    def is_erased(self) -> bool:
        """Whether the person was erased, so that nobody can tell any more who it was."""
        return keys.is_erased(self.person_id)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recipient who is next: whether the person wrote within the window, and whether this would be the first try.

    ``retries`` is how often a failed message was put off so far, ``changed_at`` when the recipient was last written
    (None: not known).
    """

    person_id: str
    is_inside_window: bool
    is_first_try: bool
    retries: int = 0
    changed_at: datetime | None = None


class Recipients:
    """Adds recipients and moves them from state to state, each move in one Lua call, and never backwards.

    Every method raises StoreUnavailableError when Redis does not answer in time.
    """

    def __init__(self, client: AnyRedis, person_keys: Keys, sealer: Sealer, audiences: Audiences) -> None:
        self._client = client
        self._keys = person_keys
        self._sealer = sealer
        self._audiences = audiences
        self._scripts = Scripts(client)

    # --- added and counted ------------------------------------------------------------------------------------------

    def add(self, broadcast_id: str, shard: int, people: Sequence[str], definition: Definition, now: datetime) -> None:
        """Make these people of one shard recipients: pending, or skipped with the reason. A repeat changes nothing."""
        found = self._add(broadcast_id, shard, people, definition, now, is_dry_run=False)
        pending = found.get(RecipientState.PENDING, 0)
        metrics.recipient_became(RecipientState.PENDING, pending)
        outside = found.get("outside", 0)
        metrics.recipient_became(RecipientState.SKIPPED, sum(found.values()) - pending - outside)

    def would_add(self, shard: int, people: Sequence[str], definition: Definition, now: datetime) -> dict[str, int]:
        """What ``add`` would do: how many pending (``outside`` the window, of them), and how many for each reason."""
        return self._add(_NO_BROADCAST, shard, people, definition, now, is_dry_run=True)

    def counts(self, broadcast_id: str) -> dict[str, int]:
        """Recipients by state, and what is counted beside them (``accepted``, ``skipped:reason``, ``failed:code``)."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.hgetall(in_shard(shard, broadcast_id, "counts"))
            answers = pipeline.execute()
        sums: dict[str, int] = {}
        for answer in answers:
            for name, count in answer.items():
                sums[name.decode()] = sums.get(name.decode(), 0) + int(count)
        return sums

    def all(self, broadcast_id: str) -> Iterator[list[Recipient]]:
        """All recipients, each of them once, in batches of one shard each.

        They are found along the audience, which stays as it is: a scan of a hash that grows may show one twice.
        """
        for shard in range(SHARDS):
            offset = 0
            while people := self._audiences.people(broadcast_id, shard, offset):
                offset += len(people)
                with unavailable_on_error():
                    texts: Any = self._client.hmget(in_shard(shard, broadcast_id, "rows"), people)
                if found := [
                    _recipient(person_id, text.decode()) for person_id, text in zip(people, texts, strict=True) if text
                ]:
                    yield found

    # --- sent to ----------------------------------------------------------------------------------------------------

    def due_shards(self, broadcast_id: str, now: datetime) -> list[int]:
        """The shards in which a pending recipient is due."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zcount(in_shard(shard, broadcast_id, "pending"), "-inf", unix_milliseconds(now))
            return [shard for shard, count in enumerate(pipeline.execute()) if count]

    def in_flight(self, broadcast_id: str) -> int:
        """How many recipients are being sent to."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zcard(in_shard(shard, broadcast_id, "inflight"))
            return sum(pipeline.execute())

    def candidates(self, broadcast_id: str, shard: int, count: int, now: datetime) -> list[Candidate]:
        """The pending recipients of this shard that are due, at most ``count``, the longest due first."""
        with unavailable_on_error():
            found: Any = self._client.zrangebyscore(
                in_shard(shard, broadcast_id, "pending"), "-inf", unix_milliseconds(now), start=0, num=count
            )
            people = [person_id.decode() for person_id in found]
            if not people:
                return []
            times: Any = self._client.zmscore(keys.contacts_of(shard), people)
            texts: Any = self._client.hmget(in_shard(shard, broadcast_id, "rows"), people)
        opened = unix_milliseconds(now - SENDING_WINDOW)
        return [
            _candidate(person_id, text.decode(), is_inside_window=bool(time and time > opened))
            for person_id, time, text in zip(people, times, texts, strict=True)
            # Between the two looks a person may have been erased.
            if text is not None
        ]

    def claim(self, broadcast_id: str, person_id: str, definition: Definition, now: datetime) -> Contact | None:
        """Claim a pending recipient for one call to Twilio; None when the message may not go out (any more)."""
        with unavailable_on_error():
            verdict, *found = self._scripts.run(
                "claim",
                self._names(broadcast_id, person_id)
                | {
                    "contacts": self._keys.contacts(person_id),
                    "opt_out": self._keys.opt_out(person_id),
                    "contact": self._keys.contact(person_id),
                },
                {
                    "person": person_id,
                    "broadcast": broadcast_id,
                    "now": unix_milliseconds(now),
                }
                | _rules(definition),
            )
        if verdict == b"skipped":
            metrics.recipient_became(RecipientState.SKIPPED)
        if verdict != b"go":
            return None
        metrics.recipient_became(RecipientState.SENDING)
        (sealed_contact,) = found
        contact = self._sealer.contact(person_id, sealed_contact, None)
        if contact is None:
            self.record_send(broadcast_id, person_id, RecipientState.FAILED, code="unreadable")
        return contact

    def release_claim(self, broadcast_id: str, person_id: str, now: datetime) -> None:
        """Make a claimed recipient pending again to whom nothing was sent."""
        with unavailable_on_error():
            self._scripts.run(
                "release_claim",
                self._names(broadcast_id, person_id),
                {"person": person_id, "broadcast": broadcast_id, "now": unix_milliseconds(now)},
            )

    def record_send(
        self,
        broadcast_id: str,
        person_id: str,
        state: RecipientState,
        *,
        code: str = "",
        message_sid: str = "",
        retry: RetryPlan | None = None,
    ) -> None:
        """Record how a send ended: SENT, UNCERTAIN, or FAILED, which is tried again as long as ``retry`` has a moment.

        A callback that was quicker is not undone.
        """
        self._move("record_send", broadcast_id, person_id, state, code, message_sid, retry)

    def apply_callback(
        self,
        broadcast_id: str,
        person_id: str,
        state: RecipientState,
        code: str,
        message_sid: str,
        retry: RetryPlan | None = None,
    ) -> tuple[RecipientState, RecipientState] | None:
        """Move a recipient by a status callback, never backwards; the states before and after, None without one."""
        return self._move("apply_callback", broadcast_id, person_id, state, code, message_sid, retry)

    def postpone(self, broadcast_id: str, person_id: str, until: datetime) -> None:
        """Let a pending recipient wait."""
        pending = in_shard(keys.shard_of(person_id), broadcast_id, "pending")
        with unavailable_on_error():
            self._client.zadd(pending, {person_id: unix_milliseconds(until)}, xx=True)

    def mark_uncertain(self, broadcast_id: str, claimed_before: datetime) -> int:
        """Make recipients uncertain whose worker must have died; how many."""
        with unavailable_on_error():
            pipeline = self._client.pipeline(transaction=False)
            for shard in range(SHARDS):
                pipeline.zrangebyscore(
                    in_shard(shard, broadcast_id, "inflight"), "-inf", unix_milliseconds(claimed_before)
                )
            stale = [person_id.decode() for found in pipeline.execute() for person_id in found]
        for person_id in stale:
            self.record_send(broadcast_id, person_id, RecipientState.UNCERTAIN)
        return len(stale)

    def send_again(self, broadcast_id: str, person_id: str, now: datetime) -> bool:
        """Make an uncertain recipient pending again, because an admin says so; whether it was uncertain."""
        names = self._names(broadcast_id, person_id)
        del names["inflight"]
        with unavailable_on_error():
            return bool(
                self._scripts.run(
                    "send_again",
                    names,
                    {"person": person_id, "broadcast": broadcast_id, "now": unix_milliseconds(now)},
                )
            )

    def _add(
        self,
        broadcast_id: str,
        shard: int,
        people: Sequence[str],
        definition: Definition,
        now: datetime,
        *,
        is_dry_run: bool,
    ) -> dict[str, int]:
        if not people:
            return {}
        with unavailable_on_error():
            answer = self._scripts.run(
                "add_recipients",
                {
                    "recipients": in_shard(shard, broadcast_id, "rows"),
                    "counts": in_shard(shard, broadcast_id, "counts"),
                    "pending": in_shard(shard, broadcast_id, "pending"),
                    "contacts": keys.contacts_of(shard),
                    "opt_out": [self._keys.opt_out(person_id) for person_id in people],
                    "permit": [self._keys.permit(person_id) for person_id in people],
                },
                {"now": unix_milliseconds(now), "is_dry_run": int(is_dry_run), "people": people} | _rules(definition),
            )
        return {name.decode(): int(count) for name, count in zip(answer[::2], answer[1::2], strict=True)}

    def _move(
        self,
        script: str,
        broadcast_id: str,
        person_id: str,
        state: RecipientState,
        code: str,
        message_sid: str,
        retry: RetryPlan | None,
    ) -> tuple[RecipientState, RecipientState] | None:
        with unavailable_on_error():
            answer = self._scripts.run(
                script,
                self._names(broadcast_id, person_id),
                {
                    "person": person_id,
                    "broadcast": broadcast_id,
                    "state": state.value,
                    "code": code,
                    "message_sid": message_sid,
                    "counted_as": retry.counted_as if retry else "",
                    "moments": [unix_milliseconds(moment) for moment in retry.moments] if retry else [],
                },
            )
        if not answer:
            return None
        before, after = (RecipientState(name.decode()) for name in answer)
        if after is not before:
            metrics.recipient_became(after)
        return before, after

    def _names(self, broadcast_id: str, person_id: str) -> dict[str, str]:
        shard = keys.shard_of(person_id)
        return {
            "pending": in_shard(shard, broadcast_id, "pending"),
            "recipients": in_shard(shard, broadcast_id, "rows"),
            "counts": in_shard(shard, broadcast_id, "counts"),
            "inflight": in_shard(shard, broadcast_id, "inflight"),
            "permit": self._keys.permit(person_id),
        }


def _rules(definition: Definition) -> dict[str, int]:
    return {
        "is_template": int(definition.is_template),
        "is_marketing": int(definition.purpose is Purpose.MARKETING),
        "window": milliseconds(SENDING_WINDOW),
    }


def _recipient(person_id: str, text: str) -> Recipient:
    stored = _fields(text)
    return Recipient(
        person_id,
        RecipientState(stored["state"]),
        stored["code"],
        stored["message_sid"],
        int(stored["tries"]),
        _time(stored["accepted"]),
        _time(stored.get("changed", "0")),
    )


def _candidate(person_id: str, text: str, *, is_inside_window: bool) -> Candidate:
    recipient, retries = _recipient(person_id, text), int(_fields(text)["retries"])
    return Candidate(person_id, is_inside_window, recipient.tries == 0, retries, recipient.changed_at)


def _fields(text: str) -> dict[str, str]:
    """The fields of a stored recipient by their names; the last one is missing where an earlier release wrote it."""
    return dict(zip(_FIELDS, text.split("|"), strict=False))


def _time(text: str) -> datetime | None:
    """A time of a recipient; what is too small for one says that there was none, or that it is not known."""
    unix = int(text)
    return moment_at(unix) if unix > 1 else None
