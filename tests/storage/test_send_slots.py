"""Send slots: the rate over all workers, and the places of the day, on each server that they may stand on."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis, connect
from onboarding_bot.storage.send_slots import SendSlots
from tests.fakes import NOON
from tests.servers import free_port
from tests.storage.broadcasts import DAY, SECOND, TEMPLATE, BroadcastStorage, S, at_once, created


def waits(slots: SendSlots, broadcast_id: str, count: int, seconds_between: float) -> list[float]:
    found = [slots.take_for_broadcast(broadcast_id, seconds_between) for _ in range(count)]
    assert {slot.verdict for slot in found} == {"go"}
    return [slot.wait_seconds for slot in found]


def test_slots_keep_their_distance_by_redis_own_clock(storage: BroadcastStorage, slots: SendSlots) -> None:
    broadcast_id = created(storage)
    began = time.monotonic()
    found = waits(slots, broadcast_id, 9, 0.1)
    took = time.monotonic() - began
    assert found[0] == 0
    assert 0.8 - took - 0.05 <= found[-1] <= 0.8


def test_slots_are_one_for_each_however_many_ask(storage: BroadcastStorage, slots: SendSlots) -> None:
    broadcast_id = created(storage)
    began = time.monotonic()
    found = sorted(slot.wait_seconds for slot in at_once(lambda: slots.take_for_broadcast(broadcast_id, 0.1)))
    took = time.monotonic() - began
    assert 0.7 - took - 0.05 <= found[-1] <= 0.7
    transactional = sorted(at_once(lambda: slots.take_for_transactional(600)))
    assert all(later - earlier > 300 for earlier, later in pairwise(transactional))


def test_unused_time_is_not_saved_up(storage: BroadcastStorage, slots: SendSlots) -> None:
    broadcast_id = created(storage)
    waits(slots, broadcast_id, 1, 0.01)
    time.sleep(0.1)
    assert waits(slots, broadcast_id, 1, 0.5) == [0]
    assert slots.take_for_transactional(600) <= 0.5
    assert slots.take_for_transactional(600) > 300


def test_two_broadcasts_share_the_rate(storage: BroadcastStorage, slots: SendSlots) -> None:
    one, other = created(storage), created(storage)
    waits(slots, one, 1, 600)
    assert slots.take_for_broadcast(other, 600).verdict == "busy"


def test_no_message_of_a_broadcast_reserves_far_ahead(storage: BroadcastStorage, slots: SendSlots) -> None:
    """A pause would not reach a thread that sleeps until then, and a reminder would have to wait behind it."""
    broadcast_id = created(storage)
    found = [slots.take_for_broadcast(broadcast_id, 0.9) for _ in range(3)]
    assert [slot.verdict for slot in found[:2]] == ["go", "go"]
    assert found[1].wait_seconds <= 0.9
    assert slots.take_for_transactional(600) <= 2.7
    late = slots.take_for_broadcast(broadcast_id, 0.9)
    assert late.verdict == "busy"
    assert late.wait_seconds > 300
    assert slots.take_for_transactional(600) > 300
    record = storage.records.find(broadcast_id)
    assert record is not None
    assert record.number("started") == [slot.verdict for slot in found].count("go")


def test_a_pause_that_twilio_asks_for_holds_for_all_messages(storage: BroadcastStorage, slots: SendSlots) -> None:
    broadcast_id = created(storage)
    assert not slots.is_paused(SECOND)
    slots.pause(30)
    slots.pause(1)
    assert slots.is_paused(SECOND)
    assert not slots.is_paused(31 * SECOND)
    slot = slots.take_for_broadcast(broadcast_id, 0.01)
    assert slot.verdict == "busy"
    assert 28 < slot.wait_seconds <= 29
    assert 29 < slots.take_for_transactional(0.01) <= 30


@pytest.mark.parametrize("status", [one for one in S if one is not S.SENDING])
def test_whoever_holds_a_broadcast_holds_its_slots(storage: BroadcastStorage, slots: SendSlots, status: S) -> None:
    broadcast_id = created(storage)
    storage.records.transition(broadcast_id, status, [S.SENDING])
    assert slots.take_for_broadcast(broadcast_id, 0.01).verdict == "status"


def test_a_broadcast_that_there_is_not_has_no_slots(storage: BroadcastStorage, slots: SendSlots) -> None:
    assert slots.take_for_broadcast("0" * 24, 0.01).verdict == "status"


def test_a_wave_takes_as_many_first_tries_as_it_may(storage: BroadcastStorage, slots: SendSlots) -> None:
    broadcast_id = created(storage)
    storage.records.set_fields(broadcast_id, wave_limit=2)
    assert [slots.take_for_broadcast(broadcast_id, 0.001).verdict for _ in range(3)] == ["go", "go", "wave"]
    assert slots.take_for_broadcast(broadcast_id, 0.001, is_first_try=False).verdict == "go"
    record = storage.records.find(broadcast_id)
    assert record is not None
    assert record.number("started") == 2


@pytest.mark.parametrize("fields", [{}, {"wave_limit": ""}])
def test_the_last_wave_has_no_limit(storage: BroadcastStorage, slots: SendSlots, fields: dict[str, str]) -> None:
    broadcast_id = created(storage)
    storage.records.set_fields(broadcast_id, status="sending", **fields)
    assert {slots.take_for_broadcast(broadcast_id, 0.001).verdict for _ in range(5)} == {"go"}


def test_a_day_has_room_for_so_many_people_outside_the_window(
    storage: BroadcastStorage, slots: SendSlots, client: AnyRedis
) -> None:
    first, second = created(storage, TEMPLATE), created(storage, TEMPLATE)

    def ask(broadcast_id: str, person_id: str) -> str:
        return slots.take_for_broadcast(broadcast_id, 0.001, person_id, 2).verdict

    assert [ask(first, "a"), ask(second, "b"), ask(first, "c")] == ["go", "go", "daily"]
    assert ask(second, "a") == ask(first, "a") == "go", "the same person counts once"
    assert slots.take_for_broadcast(first, 0.001).verdict == "go", "inside the window there is no limit"
    slot = slots.take_for_broadcast(first, 0.001, "c", 2)
    assert 86_000 < slot.wait_seconds <= 86_400
    yesterday = (datetime.now(UTC) - DAY - SECOND).timestamp() * 1000
    client.zadd(keys.OUTSIDE_WINDOW_TODAY, {"b": yesterday})
    assert ask(first, "c") == "go"
    assert ask(first, "b") == "daily"
    assert 0 < client.pttl(keys.OUTSIDE_WINDOW_TODAY) <= 86_400_000, "without another broadcast they are forgotten too"


def test_who_gets_no_slot_takes_no_place(storage: BroadcastStorage, slots: SendSlots, client: AnyRedis) -> None:
    broadcast_id = created(storage, TEMPLATE)
    storage.records.set_fields(broadcast_id, wave_limit=0)
    assert slots.take_for_broadcast(broadcast_id, 0.001, "a", 2).verdict == "wave"
    storage.records.set_fields(broadcast_id, wave_limit="")
    slots.pause(30)
    assert slots.take_for_broadcast(broadcast_id, 0.001, "a", 2).verdict == "busy"
    assert client.zcard(keys.OUTSIDE_WINDOW_TODAY) == 0
    record = storage.records.find(broadcast_id)
    assert record is not None
    assert record.number("started") == 0


def test_without_redis_every_method_says_so() -> None:
    slots = SendSlots(connect(f"redis://127.0.0.1:{free_port()}/0", answer_seconds=0.2, retries=0))
    calls: list[Callable[[], object]] = [
        lambda: slots.take_for_broadcast("x", 1),
        lambda: slots.take_for_transactional(1),
        lambda: slots.is_paused(SECOND),
        lambda: slots.pause(1),
        lambda: slots.written_outside_window(NOON),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailableError):
            call()
