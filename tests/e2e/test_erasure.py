"""DELETE MY DATA through real parts: the person reads the reply, and the worker deletes the messages at Twilio."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.outbound import Worker, wait_for
from tests.e2e.world import World, running_world
from tests.stored_bytes import stored_members
from tests.talker import OWNER

pytestmark = pytest.mark.redis_server

NEIGHBOUR = "whatsapp:+919812345678"


def a_minute_passes(world: World) -> None:
    """What is due a minute after the erasure is due now."""
    redis = world.redis_client()
    for name in redis.scan_iter("*:due"):
        for member in stored_members(redis, name):
            if member.startswith(b"messages:"):
                redis.zadd(name, {member: 0})


def test_no_message_of_the_person_is_left_at_twilio(tmp_path: Path) -> None:
    with running_world(tmp_path) as world:
        neighbours = world.write("Hi", NEIGHBOUR)
        for text in ("Hi", "Asha Devi", "DELETE MY DATA"):
            world.converse(text)
        assert "Asha Devi" in world.at_twilio(From=OWNER)
        assert "your data here are erased" in world.converse("YES")
        world.reply_to(neighbours)
        worker = Worker.beside(world, tmp_path)
        worker.start()
        try:
            a_minute_passes(world)
            wait_for(lambda: world.at_twilio(From=OWNER) == world.at_twilio(To=OWNER) == [], "no message at Twilio")
        finally:
            worker.end()
        assert world.at_twilio(From=NEIGHBOUR) == ["Hi"]
