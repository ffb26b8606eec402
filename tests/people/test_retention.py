"""What is kept long enough goes: silent people from the indexes, broadcasts that are over, and the list of erasures."""

from __future__ import annotations

from datetime import timedelta

import pytest

from onboarding_bot.outbound.broadcast_definition import Definition
from onboarding_bot.outbound.broadcast_states import BroadcastStatus
from onboarding_bot.people.retention import RetentionRound
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.records import Sealer
from tests.broadcasts.people import add, add_many, sender_of
from tests.broadcasts.world import TEXT, World
from tests.fakes import NOON

DAY = timedelta(days=1)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def erasures(world: World) -> Erasures:
    return Erasures(world.redis, Keys("person-key-of-the-tests"), Sealer(Cipher([b"k" * 32])), world.store)


@pytest.fixture
def retention(world: World, erasures: Erasures) -> RetentionRound:
    return RetentionRound(
        world.store, erasures, world.records, broadcast_life=90 * DAY, backup_life=30 * DAY, now=world.now
    )


def names(world: World, part: str) -> list[str]:
    return sorted(name.decode() for name in world.redis.scan_iter() if part in name.decode())


def people_in(world: World, index: str) -> int:
    return sum(world.redis.zcard(name) for name in names(world, f"}}:{index}"))


def test_silent_people_leave_the_index_without_a_message(world: World, retention: RetentionRound) -> None:
    add_many(world.store, 10)
    world.clock.pass_(days=100)
    add(world.store, sender_of(50), wrote_at=world.now())
    world.clock.pass_(days=79, hours=23)
    retention.run()
    assert people_in(world, "contacts") == 11
    world.clock.pass_(hours=1)
    retention.run()
    assert people_in(world, "contacts") == 1


def test_a_broadcast_that_is_over_goes_with_all_its_rows(world: World, retention: RetentionRound) -> None:
    add_many(world.store, 20)
    broadcast_id = world.sending()
    world.tick(3)
    assert world.status(broadcast_id) is BroadcastStatus.COMPLETED
    world.clock.pass_(days=89)
    retention.run()
    assert world.record(broadcast_id)
    assert names(world, broadcast_id)
    world.clock.pass_(days=2)
    retention.run()
    assert world.records.find(broadcast_id) is None
    assert names(world, broadcast_id) == []
    assert world.records.newest(0, 10) == world.records.active() == []


def test_a_newer_one_and_its_people_stay(world: World, retention: RetentionRound) -> None:
    add_many(world.store, 20)
    older = world.sending()
    world.tick(3)
    world.clock.pass_(days=60)
    add_many(world.store, 20, wrote_at=world.now())
    newer = world.sending()
    world.tick(3)
    world.clock.pass_(days=31)
    kept = names(world, newer)
    retention.run()
    assert world.records.newest(0, 10) == [newer]
    assert names(world, newer) == kept
    assert names(world, older) == []


@pytest.mark.parametrize("held", ["pause", "cancel"])
def test_one_that_is_held_for_as_long_is_cancelled_and_goes(world: World, retention: RetentionRound, held: str) -> None:
    add_many(world.store, 5)
    broadcast_id = world.sending()
    getattr(world.service, held)(broadcast_id)
    world.clock.pass_(days=91)
    retention.run()
    assert names(world, broadcast_id) == []


def test_one_that_is_still_sent_stays(world: World, retention: RetentionRound) -> None:
    add_many(world.store, 5)
    broadcast_id = world.sending()
    world.clock.pass_(days=91)
    retention.run()
    assert world.status(broadcast_id) is BroadcastStatus.SENDING
    assert len(world.by_person(broadcast_id)) == 5


def test_one_that_took_very_long_is_kept_from_its_end_on(world: World, retention: RetentionRound) -> None:
    add_many(world.store, 5)
    broadcast_id = world.sending()
    world.clock.pass_(days=95)
    add_many(world.store, 5, wrote_at=world.now())
    world.tick(10)
    assert world.status(broadcast_id) is BroadcastStatus.COMPLETED
    retention.run()
    assert len(world.by_person(broadcast_id)) == 5


def test_one_for_a_day_far_ahead_waits_for_it(world: World, retention: RetentionRound) -> None:
    broadcast_id = world.create(Definition(message="Happy new year!", schedule_at=NOON + 120 * DAY))
    world.service.pause(broadcast_id)
    world.clock.pass_(days=100)
    retention.run()
    assert world.status(broadcast_id) is BroadcastStatus.PAUSED


def test_a_round_that_was_interrupted_is_repeated(
    world: World, retention: RetentionRound, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_many(world.store, 5)
    broadcast_id = world.sending(TEXT)
    world.service.cancel(broadcast_id)
    world.clock.pass_(days=91)
    with monkeypatch.context() as patch:
        patch.setattr(world.records._scripts, "run", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            retention.run()
    assert world.records.newest(0, 10) == [broadcast_id]
    retention.run()
    assert names(world, broadcast_id) == []


def test_a_late_stop_writes_nothing_about_a_broadcast_that_is_gone(world: World, retention: RetentionRound) -> None:
    add_many(world.store, 1)
    broadcast_id = world.sending()
    world.tick(3)
    world.clock.pass_(days=91)
    retention.run()
    add(world.store, sender_of(0), wrote_at=world.now(), has_stopped=True)
    world.callbacks.apply(broadcast_id, world.store.identify(sender_of(0)), "SM1", "read", 0)
    assert names(world, broadcast_id) == []


def test_who_was_erased_is_remembered_as_long_as_backups_are(
    world: World, retention: RetentionRound, erasures: Erasures
) -> None:
    (person_id,) = add_many(world.store, 1)
    erasures.erase(person_id, world.now())
    world.clock.pass_(days=30)
    retention.run()
    assert erasures.log.erased_since(NOON) == [(person_id, NOON)]
    world.clock.pass_(seconds=1)
    retention.run()
    assert erasures.log.erased_since(NOON) == []
    assert names(world, "erasures") == []
