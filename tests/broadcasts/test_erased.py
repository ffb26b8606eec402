"""Broadcasts and people who were erased: no message any more, no name in any file, and every figure stays right."""

from __future__ import annotations

import pytest

from onboarding_bot.outbound.broadcast_states import BroadcastStatus
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.records import Sealer
from tests.broadcasts.people import add_many, sender_of
from tests.broadcasts.world import World


@pytest.fixture
def erasures(world: World) -> Erasures:
    return Erasures(world.redis, Keys("person-key-of-the-tests"), Sealer(Cipher([b"k" * 32])), world.store)


def recipients(world: World, broadcast_id: str) -> list[tuple[str, str, str]]:
    return sorted(
        (line.address, line.recipient.state.value, line.recipient.code)
        for line in world.service.recipients(broadcast_id)
    )


def test_pending_sends_are_cancelled_and_the_others_go_out(world: World, erasures: Erasures) -> None:
    people = add_many(world.store, 5)
    broadcast_id = world.sending()
    for person_id in people[:2]:
        erasures.erase(person_id, world.now())
    world.tick(3)
    assert sorted(world.twilio.addresses) == [sender_of(number) for number in (2, 3, 4)]
    assert world.status(broadcast_id) is BroadcastStatus.COMPLETED
    view = world.service.view(broadcast_id)
    assert (view.recipient_count, view.sent_count, view.skipped["opted_out"]) == (3, 3, 2)


def test_the_file_says_erased(world: World, erasures: Erasures) -> None:
    people = add_many(world.store, 3)
    broadcast_id = world.sending()
    world.tick(2)
    erasures.erase(people[0], world.now())
    assert recipients(world, broadcast_id) == [
        ("erased", "sent", ""),
        (sender_of(1), "sent", ""),
        (sender_of(2), "sent", ""),
    ]
    assert [
        line.recipient.message_sid for line in world.service.recipients(broadcast_id) if line.address == "erased"
    ] == [""]


def test_whoever_is_erased_while_the_message_is_on_its_way_stays_uncertain(world: World, erasures: Erasures) -> None:
    (person_id,) = add_many(world.store, 1)
    broadcast_id = world.sending()
    world.twilio.during = lambda _to: erasures.erase(person_id, world.now())
    world.tick(3)
    assert world.states(broadcast_id) == {"uncertain": 1}
    assert world.status(broadcast_id) is BroadcastStatus.COMPLETED
    assert world.service.resend_uncertain(broadcast_id) == 0, "nobody knows any more to whom"
    callback = world.twilio.sent[0][2]
    world.callbacks.apply(callback["broadcast"], callback["row"], "SM1", "delivered", 0)
    world.callbacks.apply(callback["broadcast"], callback["row"], "SM1", "failed", 63014)
    assert world.states(broadcast_id) == {"uncertain": 1}
    assert [name for name in world.redis.scan_iter() if b"permit" in name] == []


def test_whoever_is_erased_before_the_rows_are_made_gets_none(world: World, erasures: Erasures) -> None:
    people = add_many(world.store, 5)
    broadcast_id = world.create()
    world.scheduler.tick()
    erasures.erase(people[0], world.now())
    world.tick(3)
    assert sorted(world.twilio.addresses) == [sender_of(number) for number in range(1, 5)]
    assert world.service.view(broadcast_id).recipient_count == 4
    assert world.status(broadcast_id) is BroadcastStatus.COMPLETED
