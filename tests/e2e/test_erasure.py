"""DELETE MY DATA through real parts: the person reads the goodbye, and the worker deletes the messages at Twilio."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.e2e.outbound import Worker, wait_for
from tests.e2e.world import PATIENCE_SECONDS, World, running_world
from tests.settings import ENVIRONMENT
from tests.talker import OWNER

pytestmark = pytest.mark.redis_server

NEIGHBOUR = "whatsapp:+919812345678"


def at_twilio(world: World, **filters: str) -> list[str]:
    """The texts that Twilio keeps of these messages."""
    account, token = ENVIRONMENT["TWILIO_ACCOUNT_SID"], ENVIRONMENT["TWILIO_AUTH_TOKEN"]
    url = f"{world.simulator_url}/2010-04-01/Accounts/{account}/Messages.json"
    answer = requests.get(url, params={"PageSize": "1000"} | filters, auth=(account, token), timeout=PATIENCE_SECONDS)
    return [message["body"] for message in answer.json()["messages"]]


def a_minute_passes(world: World) -> None:
    """What is due a minute after the erasure is due now."""
    redis = world.redis_client()
    for name in redis.scan_iter("*:due"):
        for member in redis.zrange(name, 0, -1):
            if member.startswith(b"messages:"):
                redis.zadd(name, {member: 0})


def test_no_message_of_the_person_is_left_at_twilio(tmp_path: Path) -> None:
    with running_world(tmp_path) as world:
        neighbours = world.write("Hi", NEIGHBOUR)
        for text in ("Hi", "Asha Devi", "DELETE MY DATA"):
            world.converse(text)
        assert "Asha Devi" in at_twilio(world, From=OWNER)
        assert "your data here are erased" in world.converse("YES")
        world.reply_to(neighbours)
        worker = Worker.beside(world, tmp_path)
        worker.start()
        try:
            a_minute_passes(world)
            wait_for(lambda: at_twilio(world, From=OWNER) == at_twilio(world, To=OWNER) == [], "no message at Twilio")
        finally:
            worker.end()
        assert at_twilio(world, From=NEIGHBOUR) == ["Hi"]
