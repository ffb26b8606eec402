"""Who a broadcast reaches, counted in a dry run, and made recipients."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from onboarding_bot.broadcasts.audience import DryRun
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.storage import audiences as audiences_module
from onboarding_bot.storage.keys import SHARDS, shard_of
from onboarding_bot.storage.leases import ShardWork
from onboarding_bot.storage.recipients import Recipients
from tests.broadcasts.people import add, add_many, sender_of
from tests.broadcasts.world import TEMPLATE, TEXT, World
from tests.fakes import NOON

DAY = timedelta(days=1)
NOTHING = {"opted_out": 0, "outside_window": 0, "suppressed": 0, "no_consent": 0, "frequency": 0}


def reached(world: World, definition: Definition) -> set[str]:
    """Who is written to; the dry run has to say the same."""
    counted = world.audience.count(definition)
    broadcast_id = world.create(definition)
    world.tick(6)
    addresses = set(world.twilio.addresses)
    assert counted.recipient_count == len(addresses)
    assert counted.skipped == world.service.view(broadcast_id).skipped
    return addresses


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        pytest.param({}, {1, 2, 3, 4}, id="everybody"),
        pytest.param({"target_step": OnboardingStep.PHONE}, {2}, id="a step"),
        pytest.param({"language": "hi"}, {2, 4}, id="a language"),
        pytest.param({"language": "en"}, {1, 3}, id="the default language is theirs who chose none"),
        pytest.param({"sector": "Retail"}, {1, 2}, id="a sector, in a draft or a registration"),
        pytest.param({"pincode_prefix": "56"}, {1, 3}, id="a part of the country"),
        pytest.param({"pincode_prefix": "560001"}, {1}, id="a pincode"),
        pytest.param({"include_completed": False}, {2, 4}, id="who is not registered"),
        pytest.param({"sector": "Retail", "language": "hi", "include_completed": False}, {2}, id="all together"),
        pytest.param({"sector": "Textile"}, set(), id="nobody"),
    ],
)
def test_filters(world: World, filters: dict[str, Any], expected: set[int]) -> None:
    add(world.store, sender_of(1), completed=True, answers={"sector": "Retail", "pincode": "560001"})
    add(world.store, sender_of(2), language="hi", step=OnboardingStep.PHONE, answers={"sector": "Retail"})
    add(world.store, sender_of(3), language="en", completed=True, answers={"sector": "Other", "pincode": "561000"})
    add(world.store, sender_of(4), language="hi")
    found = reached(world, Definition(message="Hi", **filters))
    assert found == {sender_of(number) for number in expected}


def test_a_dry_run_counts_each_reason(world: World) -> None:
    add(world.store, sender_of(1))
    add(world.store, sender_of(2), has_stopped=True)
    add(world.store, sender_of(3), wrote_at=NOON - 3 * DAY)
    world.suppressions.suppress(add(world.store, sender_of(4)), 63014)
    assert world.audience.count(TEXT) == DryRun(
        1, NOTHING | {"opted_out": 1, "outside_window": 1, "suppressed": 1}, days=1
    )
    assert world.audience.count(TEMPLATE) == DryRun(
        1, NOTHING | {"opted_out": 1, "no_consent": 1, "suppressed": 1}, days=1
    )


def test_a_dry_run_writes_nothing(world: World) -> None:
    add_many(world.store, 5)
    before = {key: world.redis.dump(key) for key in world.redis.scan_iter()}
    world.audience.count(Definition(message="Hi", purpose=Purpose.MARKETING, language="en"))
    assert {key: world.redis.dump(key) for key in world.redis.scan_iter()} == before


@pytest.mark.parametrize(
    ("outside", "inside", "days"),
    [
        pytest.param(0, 0, 0, id="nobody"),
        pytest.param(0, 5, 1, id="inside the window there is no limit"),
        pytest.param(3, 5, 1, id="just so many as a day has room for"),
        pytest.param(4, 0, 2, id="one more"),
        pytest.param(9, 1, 3, id="three full days"),
    ],
)
def test_the_days_that_the_daily_limit_makes_it_take(outside: int, inside: int, days: int) -> None:
    world = World(daily_limit=3)
    add_many(world.store, outside, wrote_at=NOON - 3 * DAY, wants_news=True)
    add_many(world.store, inside, first=100)
    assert world.audience.count(TEMPLATE).days == days


def test_the_days_count_with_the_room_that_other_broadcasts_have_left(world: World) -> None:
    world = World(daily_limit=3)
    add_many(world.store, 2, wrote_at=NOON - 3 * DAY, wants_news=True)
    world.send_all(world.sending(TEMPLATE))
    assert world.audience.count(TEMPLATE).days == 2, "one of the two today, the other one tomorrow"


def test_a_dry_run_knows_what_meta_makes_of_a_template(world: World) -> None:
    person_id = add(world.store, wants_news=True)
    world.redis.hset(f"{{s{shard_of(person_id)}}}:permit:{person_id}", "last_marketing", int(NOON.timestamp() * 1000))
    assert world.audience.count(TEMPLATE).skipped["frequency"] == 0
    marketing = World(redis=world.redis, is_marketing=lambda content_sid: content_sid == TEMPLATE.content_sid)
    assert marketing.audience.count(TEMPLATE).skipped["frequency"] == 1


def test_recipients_are_added_batch_by_batch_and_go_on_where_an_earlier_try_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audiences_module, "BATCH", 2)
    people = add_many(world.store, 300)
    broadcast_id = world.create()
    world.scheduler.tick()
    batches: list[int] = []
    add = Recipients.add

    def dying(self: Recipients, broadcast: str, shard: int, people: list[str], *rest: Any) -> None:
        add(self, broadcast, shard, people, *rest)
        batches.append(len(people))
        if len(batches) % 3 == 0:
            raise RuntimeError("the worker was killed")

    monkeypatch.setattr(Recipients, "add", dying)
    for shard in range(SHARDS):
        for _ in range(20):
            try:
                world.audience.add_recipients(broadcast_id, shard)
            except RuntimeError:
                world.leases.give_back(broadcast_id, shard, ShardWork.ADD_RECIPIENTS)
    assert max(batches) == 2
    assert set(world.by_person(broadcast_id)) == set(people)
    assert world.states(broadcast_id) == {"pending": 300}


def test_no_recipient_is_added_once_it_was_held(world: World) -> None:
    add_many(world.store, 5)
    broadcast_id = world.create()
    world.scheduler.tick()
    world.service.pause(broadcast_id)
    for shard in range(SHARDS):
        world.audience.add_recipients(broadcast_id, shard)
    assert world.states(broadcast_id) == {}
    assert world.leases.take(broadcast_id, 0, ShardWork.ADD_RECIPIENTS, DAY)
