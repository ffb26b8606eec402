"""A broadcast to 5,000 people while machines fail: nobody twice, nobody lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.outbound import BULK, IN_FLIGHT, Admin, Worker
from tests.e2e.people import address, settle, store_at
from tests.e2e.world import World, running_world

RECIPIENTS = 5_000
GOES_ON_WITHIN_SECONDS = 30
# A worker that was killed holds its shards for 15 s, and what it was sending counts as lost after 20 s.
DONE_WITHIN_SECONDS = 120
FINAL = {"sent", "delivered", "read", "uncertain"}

pytestmark = pytest.mark.redis_server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """What Redis has acknowledged it has on disk, so that whatever is missing later is the bot's fault."""
    with running_world(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as running:
        yield running


@pytest.fixture
def worker(world: World, tmp_path: Path) -> Iterator[Worker]:
    worker = Worker.beside(world, tmp_path)
    yield worker
    worker.end()


def test_killed_workers_and_a_restarted_redis_lose_nobody_and_write_to_nobody_twice(
    world: World, worker: Worker
) -> None:
    admin, everybody = Admin(world), [address(number) for number in range(RECIPIENTS)]
    settle(store_at(world.redis.url), everybody)
    world.set_fault(record_events="off", callbacks="shuffled")
    worker.start()
    broadcast_id = admin.broadcast()
    for moment in (500, 1_500, 2_500):
        admin.wait_for_sent(moment, DONE_WITHIN_SECONDS)
        worker.kill()
        before = admin.sent().total
        assert 0 < before < RECIPIENTS, "killed in mid-flight"
        worker.start()
        admin.wait_for_sent(before + 1, GOES_ON_WITHIN_SECONDS)
    admin.wait_for_sent(3_500, DONE_WITHIN_SECONDS)
    world.redis.kill()
    before = admin.sent().total
    assert before < RECIPIENTS, "restarted in mid-flight"
    world.redis.start()
    admin.wait_for_sent(before + 1, GOES_ON_WITHIN_SECONDS)
    admin.wait_for_status(broadcast_id, "completed", DONE_WITHIN_SECONDS)
    admin.wait_for_quiet()

    counts, recipients, sent = admin.counts(broadcast_id), admin.recipients(broadcast_id), admin.sent()
    assert sum(counts.values()) == RECIPIENTS
    assert set(counts) <= FINAL
    assert counts["uncertain"] <= IN_FLIGHT * 4, "what was in flight at each of the four faults"
    assert sorted(recipients) == sorted(everybody)
    assert {recipient["state"] for recipient in recipients.values()} <= FINAL
    assert sent.by_recipient_more_than_once == 0
    assert sent.recipients >= RECIPIENTS - counts["uncertain"], "whoever is not uncertain has the message"
    assert admin.look(broadcast_id)["sent_count"] == RECIPIENTS - counts["uncertain"]
    assert worker.stop() == 0


def test_a_worker_that_is_asked_to_end_leaves_nothing_half_done(world: World, worker: Worker) -> None:
    admin = Admin(world)
    settle(store_at(world.redis.url), [address(number) for number in range(1_000)])
    world.set_fault(**BULK, send_delay_ms=300)
    worker.start()
    broadcast_id = admin.broadcast()
    admin.wait_for_sent(100)
    assert worker.stop() == 0
    counts, sent = admin.counts(broadcast_id), admin.sent()
    assert set(counts) == {"pending", "sent"}, "nothing is being sent, and nothing is uncertain"
    assert counts["sent"] == sent.total
    world.set_fault(send_delay_ms=0)
    worker.start()
    admin.wait_for_status(broadcast_id, "completed", DONE_WITHIN_SECONDS)
    assert admin.counts(broadcast_id) == {"sent": 1_000}
    assert admin.sent().by_recipient_more_than_once == 0
    assert worker.stop() == 0
