"""Broadcasts through real parts: the worker, gunicorn, Redis and Twilio, one small audience at a time."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.storage.keys import SLOTS
from tests.e2e.outbound import BULK, Admin, Monitor, Worker, wait_for
from tests.e2e.people import address, settle, store_at
from tests.e2e.world import World, running_world

CAP = 80

pytestmark = pytest.mark.redis_server


@pytest.fixture(scope="module")
def in_the_foreground() -> Iterator[None]:
    """What is measured here is the bot, and not how long the machine lets its processes wait for others.

    Whoever may not ask the machine for that measures with what it gives.
    """
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    yield
    os.setpriority(os.PRIO_PROCESS, 0, usual)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, in_the_foreground: None) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("world"), "--appendonly", "yes") as running:
        yield running


@pytest.fixture
def admin(world: World) -> Admin:
    admin = Admin(world)
    admin.begin_anew()
    return admin


@pytest.fixture
def workers(world: World, tmp_path: Path) -> Iterator[list[Worker]]:
    """Workers that a test has started; they end with it."""
    started: list[Worker] = []
    yield started
    for worker in started:
        worker.end()


def start_worker(workers: list[Worker], world: World, folder: Path, **settings: str) -> None:
    workers.append(Worker.beside(world, folder, **settings))
    workers[-1].start()


def people_at(world: World, count: int, *, first: int = 0, step: OnboardingStep = OnboardingStep.SECTOR) -> list[str]:
    """So many people who wrote a few minutes ago."""
    people = [address(number) for number in range(first, first + count)]
    settle(store_at(world.redis.url), people, step=step)
    return people


def test_pause_resume_and_cancel_take_effect_at_once(
    world: World, admin: Admin, workers: list[Worker], tmp_path: Path
) -> None:
    people = people_at(world, 600)
    world.set_fault(**BULK)
    start_worker(workers, world, tmp_path, TWILIO_MESSAGES_PER_SECOND="50")
    broadcast_id = admin.broadcast()
    admin.wait_for_sent(40)
    assert admin.act(broadcast_id, "pause").json()["status"] == "paused"
    paused_at = admin.nothing_more_is_sent(broadcast_id, admin.slots_taken(broadcast_id))
    assert admin.counts(broadcast_id) == {"sent": paused_at, "pending": len(people) - paused_at}

    assert admin.act(broadcast_id, "resume").json()["status"] == "sending"
    admin.wait_for_sent(paused_at + 40)
    assert admin.act(broadcast_id, "cancel").json()["status"] == "cancelled"
    cancelled_at = admin.nothing_more_is_sent(broadcast_id, admin.slots_taken(broadcast_id))
    assert cancelled_at < len(people)
    assert sum(admin.look(broadcast_id)["counts"].values()) == len(people)
    assert admin.look(broadcast_id)["sent_count"] == cancelled_at
    assert admin.act(broadcast_id, "resume").status_code == 409
    assert admin.sent().by_recipient_more_than_once == 0


def test_a_stop_in_the_middle_ends_it_for_that_person(
    world: World, admin: Admin, workers: list[Worker], tmp_path: Path
) -> None:
    people = people_at(world, 60)
    start_worker(workers, world, tmp_path, TWILIO_MESSAGES_PER_SECOND="20")
    broadcast_id = admin.broadcast()
    admin.wait_for_sent(10)
    admin.act(broadcast_id, "pause")
    admin.wait_until_nobody_sends(broadcast_id)
    waiting = next(
        person for person, recipient in admin.recipients(broadcast_id).items() if recipient["state"] == "pending"
    )
    assert world.converse("STOP", waiting)
    admin.act(broadcast_id, "resume")
    admin.wait_for_status(broadcast_id, "completed")
    recipients = admin.recipients(broadcast_id)
    assert (recipients[waiting]["state"], recipients[waiting]["code"]) == ("skipped", "opted_out")
    assert admin.sent().total == len(people) - 1
    looked = admin.look(broadcast_id)
    assert (looked["recipient_count"], looked["skipped"]["opted_out"]) == (len(people) - 1, 1)
    bulk = [event for event in world.events() if event["kind"] == "reply" and event["in_reply_to"] is None]
    assert waiting not in {event["person"] for event in bulk}


def granted_moments(commands: list[str]) -> list[int]:
    """When each of the slots was to be used that Redis gave away, in microseconds."""
    gave = f"HSET {SLOTS} next "
    return [int(command.removeprefix(gave)) - 1_000_000 // CAP for command in commands if command.startswith(gave)]


@pytest.mark.alone
@pytest.mark.parametrize("count", [1, 2], ids=["one worker", "two workers"])
def test_all_workers_together_keep_the_cap(
    world: World, admin: Admin, workers: list[Worker], tmp_path: Path, count: int
) -> None:
    people = people_at(world, 7 * CAP)
    world.set_fault(**BULK)
    for number in range(count):
        folder = tmp_path / str(number)
        folder.mkdir()
        start_worker(workers, world, folder, TWILIO_MESSAGES_PER_SECOND=str(CAP))
    with Monitor(world.redis.port).running() as monitor:
        broadcast_id = admin.broadcast()
        admin.wait_for_status(broadcast_id, "completed")
    sent = admin.sent()
    assert (sent.total, sent.by_recipient_more_than_once) == (len(people), 0)
    assert sent.max_in_any_second <= 1.05 * CAP
    # In most seconds: this machine may stand still for a moment, and what is missed then is not made up for.
    assert median(sent.per_second[:-1]) >= 0.95 * CAP
    # What Redis granted by its own clock is the same on a machine that lets everybody wait.
    granted = granted_moments(monitor.commands)
    assert len(granted) >= sent.total
    assert min(later - earlier for earlier, later in pairwise(granted)) >= 1_000_000 // CAP
    in_each_second = Counter((moment - granted[0]) // 1_000_000 for moment in granted)
    assert median(list(in_each_second.values())[:-1]) >= 0.95 * CAP


def test_only_the_people_in_the_target_step_get_it(
    world: World, admin: Admin, workers: list[Worker], tmp_path: Path
) -> None:
    people_at(world, 30)
    there = people_at(world, 20, first=30, step=OnboardingStep.PINCODE)
    start_worker(workers, world, tmp_path)
    target = {"target_step": OnboardingStep.PINCODE.value}
    assert admin.dry_run(**target)["recipient_count"] == len(there)
    broadcast_id = admin.broadcast(**target)
    admin.wait_for_status(broadcast_id, "completed")
    assert sorted(admin.recipients(broadcast_id)) == sorted(there)
    assert admin.sent().total == len(there)


def test_each_class_of_errors_is_dealt_with_in_its_own_way(
    world: World, admin: Admin, workers: list[Worker], tmp_path: Path
) -> None:
    people = people_at(world, 10)
    world.set_fault(callbacks="ok")
    admin.break_for(
        _0000={"on_send": {"code": 63014}},
        _0001={"on_send": {"code": 21211}},
        _0002={"on_send": {"code": 63010}, "times": 1},
        _0003={"on_send": {"code": 20429}, "times": 1},
        _0004={"on_send": {"code": 63027}},
        _0005={"on_send": {"status": 500, "sent": True}},
        _0006={"on_send": {"reset": True}, "times": 1},
        _0007={"on_callback": {"code": 63024, "status": "undelivered"}},
        _0008={"on_send": {"code": 63018}, "times": 1},
        _0009={"on_callback": {"code": 63018, "status": "failed", "then": "read"}},
    )
    start_worker(workers, world, tmp_path)
    broadcast_id = admin.broadcast()
    admin.wait_for_status(broadcast_id, "completed")
    admin.wait_for_quiet()
    recipients = admin.recipients(broadcast_id)
    assert [(recipients[person]["state"], recipients[person]["code"]) for person in people] == [
        ("failed", "63014"),
        ("failed", "21211"),
        ("read", ""),
        ("read", ""),
        ("failed", "63027"),
        ("read", ""),  # its callbacks told
        ("uncertain", ""),
        ("failed", "63024"),
        ("read", ""),
        ("read", ""),
    ]
    assert admin.look(broadcast_id)["errors"] == {"63014": 1, "21211": 1, "63027": 1, "63024": 1}
    assert admin.sent().by_recipient_more_than_once == 0

    admin.act(broadcast_id, "resend-uncertain")
    wait_for(lambda: admin.counts(broadcast_id)["read"] == 6, "the uncertain one having been sent again")
    assert admin.dry_run()["skipped"]["suppressed"] == 1, "only those who block us; a wrong number counts three times"
    for _ in range(2):
        admin.wait_for_status(admin.broadcast(), "completed")
        admin.wait_for_quiet()
    assert admin.dry_run()["skipped"]["suppressed"] == 3


def test_an_error_that_concerns_everybody_stops_the_broadcast(
    world: World, admin: Admin, workers: list[Worker], tmp_path: Path
) -> None:
    people = people_at(world, 200)
    world.set_fault(**BULK)
    admin.break_for(_0050={"on_send": {"code": 63051}, "times": 1})
    start_worker(workers, world, tmp_path, TWILIO_MESSAGES_PER_SECOND="100")
    broadcast_id = admin.broadcast()
    admin.wait_for_status(broadcast_id, "stopped")
    assert "63051" in admin.look(broadcast_id)["reason"]
    admin.nothing_more_is_sent(broadcast_id, admin.slots_taken(broadcast_id))
    counts = admin.counts(broadcast_id)
    assert counts["pending"] > 0
    assert counts["sent"] == admin.sent().total
    assert sum(counts.values()) == len(people)


def test_what_comes_later_stays_pending(world: World, admin: Admin, workers: list[Worker], tmp_path: Path) -> None:
    people = people_at(world, 5)
    admin.break_for(_0003={"on_send": {"code": 63049}})
    start_worker(workers, world, tmp_path)
    broadcast_id = admin.broadcast()
    admin.wait_for_sent(4)
    wait_for(lambda: admin.recipients(broadcast_id)[people[3]]["state"] == "pending", "the fifth waiting again")
    admin.wait_for_quiet()
    assert admin.counts(broadcast_id) == {"read": 4, "pending": 1}
    assert admin.look(broadcast_id)["status"] == "sending", "it is not over before tomorrow"
