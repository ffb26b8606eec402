"""One owner's turn through all processes: web, auth API and worker write the same trace into their logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from onboarding_bot.storage.keys import HEARTBEATS, SHARDS, due_in
from tests.e2e.outbound import Worker, wait_for
from tests.e2e.world import PATIENCE_SECONDS, World
from tests.talker import new_sid, signature, webhook_form

pytestmark = pytest.mark.redis_server

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
REQUEST = "c0ffee00-1234-4abc-8def-0123456789ab"


@pytest.fixture
def worker(world: World, tmp_path: Path) -> Iterator[Worker]:
    worker = Worker.beside(world, tmp_path)
    worker.start()
    yield worker
    worker.end()


def lines_of(log: Path) -> list[dict[str, Any]]:
    """The whole log: every line of it has to be a JSON object."""
    written, _, _unfinished = log.read_text().rpartition("\n")
    return [json.loads(line) for line in written.splitlines()]


def traced(log: Path) -> list[dict[str, Any]]:
    return [line for line in lines_of(log) if line.get("trace_id") == TRACE]


def say_yes(world: World, owner: str) -> requests.Response:
    form = webhook_form("YES", owner, new_sid())
    return requests.post(
        f"{world.bot_url}/webhook",
        data=form,
        headers={
            "X-Twilio-Signature": signature(f"{world.bot_url}/webhook", form),
            "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
            "X-Request-Id": REQUEST,
        },
        timeout=PATIENCE_SECONDS,
    )


def let_time_pass(world: World) -> None:
    """What is due in a minute is due now."""
    redis = world.redis_client()
    for shard in range(SHARDS):
        for member, _ in redis.zscan_iter(due_in(shard)):
            if member.startswith(b"otp:"):
                redis.zadd(due_in(shard), {member: 1}, xx=True)


def test_a_turn_is_followed_through_web_auth_api_and_worker(world: World, worker: Worker, owner: str) -> None:
    for text in ("Hi", "Asha Devi", "7", "560001", "1"):
        world.post(text, owner)
    world.set_fault(auth_api="unavailable")
    answer = say_yes(world, owner)
    assert "answers are kept" in answer.text
    assert answer.headers["X-Request-Id"] == REQUEST
    world.set_fault(auth_api="ok")
    let_time_pass(world)
    worker_log = worker.process.log
    wait_for(
        lambda: worker_log.exists() and any(line["event"] == "job" for line in traced(worker_log)),
        "the worker having told the owner",
    )

    in_web = traced(world.bot.log)
    assert [line["event"] for line in in_web] == ["turn", "auth_api", "turn", "request"]
    assert {line["request_id"] for line in in_web} == {REQUEST}
    assert [line["outcome"] for line in in_web] == ["effect", "http_503", "not_sent", "done"]
    assert [line["step"] for line in in_web if line["event"] == "turn"] == ["confirmation"] * 2

    in_worker = traced(worker_log)
    assert [line["event"] for line in in_worker] == ["auth_api", "turn", "late_otp_news", "job"]
    assert [line["outcome"] for line in in_worker] == ["sent", "sent", "accepted", "done"]

    at_the_auth_api = [line for line in traced(world.simulator.log) if line.get("route") == "/api/send-otp"]
    assert {line["status"] for line in at_the_auth_api} == {503, 200}
    for line in [*in_web, *in_worker]:
        assert {"time", "level", "event", "trace_id", "outcome"} <= line.keys()
        assert line["event"] == "late_otp_news" or line["duration"] >= 0


def test_every_line_of_every_process_is_one_json_object(world: World, worker: Worker) -> None:
    """gunicorn's and Dramatiq's own lines as well, in starting and in stopping."""
    world.redis_client().delete(HEARTBEATS)
    wait_for(lambda: bool(world.redis_client().exists(HEARTBEATS)), "a worker at work")
    assert worker.stop() == 0
    world.restart_bot()
    for log in (world.bot.log, worker.process.log):
        for line in lines_of(log):
            assert {"time", "level", "event"} <= line.keys()
    assert {"gunicorn", "request"} <= {line["event"] for line in lines_of(world.bot.log)}
