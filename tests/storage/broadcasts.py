"""The storage of broadcasts on one server, and broadcasts as far as a test needs them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import pytest

from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState
from onboarding_bot.storage import keys
from onboarding_bot.storage.audiences import Audiences
from onboarding_bot.storage.broadcast_records import BroadcastRecords
from onboarding_bot.storage.connection import AnyRedis, connect
from onboarding_bot.storage.contacts import Contacts
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.leases import Leases
from onboarding_bot.storage.recipients import Recipient, Recipients
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.suppressions import Suppressions
from tests.fakes import NOON
from tests.servers import free_port

KEYS = Keys("person-key-of-the-tests")
S = BroadcastStatus
TEXT = Definition(message="The fair opens on Monday.")
TEMPLATE = Definition(content_sid="HX" + "a" * 32)
NEWS = Definition(message="New buyers near you!", purpose=Purpose.MARKETING)
NEWS_TEMPLATE = Definition(content_sid="HX" + "b" * 32, purpose=Purpose.MARKETING)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class BroadcastStorage:
    """All that is stored of broadcasts."""

    client: AnyRedis
    records: BroadcastRecords
    audiences: Audiences
    recipients: Recipients
    contacts: Contacts
    suppressions: Suppressions
    leases: Leases

    @classmethod
    def on(cls, client: AnyRedis) -> Self:
        sealer, audiences = Sealer(Cipher([b"k" * 32])), Audiences(client)
        return cls(
            client,
            BroadcastRecords(client),
            audiences,
            Recipients(client, KEYS, sealer, audiences),
            Contacts(client, KEYS, sealer),
            Suppressions(client, KEYS),
            Leases(client),
        )


def created(storage: BroadcastStorage, definition: Definition = TEXT, at: datetime = NOON) -> str:
    broadcast_id, _ = storage.records.create(definition, at, None)
    storage.records.transition(broadcast_id, S.SENDING, [S.COUNTING])
    return broadcast_id


def with_recipients(storage: BroadcastStorage, *people: str, definition: Definition = TEXT, at: datetime = NOON) -> str:
    """A broadcast whose recipients these people are."""
    broadcast_id = created(storage, definition, at)
    for person_id in people:
        add_recipient(storage, broadcast_id, person_id, definition, at)
    return broadcast_id


def add_recipient(
    storage: BroadcastStorage, broadcast_id: str, person_id: str, definition: Definition, at: datetime
) -> None:
    """Put one person into the audience, and make the person a recipient."""
    shard = keys.shard_of(person_id)
    storage.client.zadd(keys.in_shard(shard, broadcast_id, "audience"), {person_id: 1})
    storage.recipients.add(broadcast_id, shard, [person_id], definition, at)


def claimed(storage: BroadcastStorage, person_id: str, definition: Definition = TEXT, at: datetime = NOON) -> str:
    """A broadcast with one recipient, whose message is on its way."""
    broadcast_id = with_recipients(storage, person_id, definition=definition, at=at)
    assert storage.recipients.claim(broadcast_id, person_id, definition, at)
    return broadcast_id


def sent(
    storage: BroadcastStorage, person_id: str, definition: Definition = TEXT, at: datetime = NOON, sid: str = "SM1"
) -> str:
    broadcast_id = claimed(storage, person_id, definition, at)
    storage.recipients.record_send(broadcast_id, person_id, RecipientState.SENT, message_sid=sid)
    return broadcast_id


def by_person(storage: BroadcastStorage, broadcast_id: str) -> dict[str, Recipient]:
    return {recipient.person_id: recipient for batch in storage.recipients.all(broadcast_id) for recipient in batch}


def state(storage: BroadcastStorage, broadcast_id: str, person_id: str) -> tuple[str, str]:
    recipient = by_person(storage, broadcast_id)[person_id]
    return recipient.state.value, recipient.code


def states(storage: BroadcastStorage, broadcast_id: str) -> dict[str, int]:
    counts = storage.recipients.counts(broadcast_id)
    return {one.value: counts[one] for one in RecipientState if counts.get(one)}


def at_once(work: Callable[[], Any], times: int = 8) -> list[Any]:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == times
    return results


def without_redis() -> BroadcastStorage:
    """The storage on a server that nobody runs."""
    return BroadcastStorage.on(connect(f"redis://127.0.0.1:{free_port()}/0", answer_seconds=0.2, retries=0))


def assert_each_is_unavailable(calls: Iterable[Callable[[], object]]) -> None:
    for call in calls:
        with pytest.raises(StoreUnavailableError):
            call()
