"""The leases of workers."""

from __future__ import annotations

import time
from datetime import timedelta

from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.leases import ShardWork
from tests.storage.broadcasts import (
    HOUR,
    SECOND,
    BroadcastStorage,
    assert_each_is_unavailable,
    at_once,
    created,
    without_redis,
)


def test_a_lease_is_taken_once(storage: BroadcastStorage, client: AnyRedis) -> None:
    broadcast_id = created(storage)
    assert at_once(lambda: storage.leases.take(broadcast_id, 3, ShardWork.SEND, HOUR)).count(True) == 1
    assert storage.leases.take(broadcast_id, 4, ShardWork.SEND, HOUR)
    assert storage.leases.take(broadcast_id, 3, ShardWork.ADD_RECIPIENTS, HOUR)
    storage.leases.give_back(broadcast_id, 3, ShardWork.SEND)
    assert storage.leases.take(broadcast_id, 3, ShardWork.SEND, timedelta(milliseconds=20))
    time.sleep(0.05)
    assert storage.leases.take(broadcast_id, 3, ShardWork.SEND, SECOND), "a lease ends by itself"
    storage.leases.renew(broadcast_id, 3, ShardWork.SEND, HOUR)
    assert client.ttl(keys.in_shard(3, broadcast_id, "lease-pump")) > 3000


def test_one_worker_holds_the_scheduler_at_a_time(storage: BroadcastStorage, client: AnyRedis) -> None:
    assert storage.leases.take_scheduler("one", HOUR)
    assert not storage.leases.take_scheduler("other", HOUR)
    assert storage.leases.take_scheduler("one", timedelta(milliseconds=20))
    while client.exists(keys.SCHEDULER_LEASE):
        time.sleep(0.005)
    assert storage.leases.take_scheduler("other", HOUR), "a lease ends by itself"
    assert not storage.leases.take_scheduler("one", HOUR)


def test_without_redis_every_method_says_so() -> None:
    leases = without_redis().leases
    assert_each_is_unavailable(
        [
            lambda: leases.take("x", 0, ShardWork.SEND, SECOND),
            lambda: leases.renew("x", 0, ShardWork.SEND, SECOND),
            lambda: leases.give_back("x", 0, ShardWork.SEND),
            lambda: leases.take_scheduler("w", SECOND),
        ]
    )
