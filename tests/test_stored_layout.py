"""The names, types and fields of what is stored, and the jobs in the queue: the same from release to release.

Two releases run side by side during a rollout, and the later one may be taken back: each reads what the other writes.
"""

from __future__ import annotations

import re

import fakeredis
import pytest
from flask import Flask

from onboarding_bot import worker
from onboarding_bot.services.twilio_messages import SendResult, Sent
from tests.broadcasts.people import sender_of
from tests.broadcasts.world import World
from tests.fakes import MovableClock
from tests.settings import settings
from tests.talker import Talker

USER_ID = "IN.13491208655302741918"
IN_MID_FLOW = (("STOP",), ("UPDATES", "7"), ("7", "560001", "1"), ("7",), (), (), ())
STATUS_CALLBACKS = (("delivered", 0), ("failed", 63024), ("failed", 63014), ("failed", 63049))
# What stands for the ids, hashes and dates in a name.
ABBREVIATIONS = (
    (r"(?<![0-9a-z])[0-9a-f]{32}", "ID"),
    (r"(?<![0-9a-z])[0-9a-f]{24}", "BROADCAST"),
    (r"\{s[0-9]+\}", "{sN}"),
    (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "DATE"),
)
# Of a hash also the fields. A line that is changed or taken away needs a release in between that reads both.
LAYOUT = {
    "{outbound}:active": "set",
    "{outbound}:broadcast:BROADCAST": (
        "hash audience created_at definition moved_at reason started status wave wave_limit"
    ),
    "{outbound}:broadcasts": "zset",
    "{outbound}:signs": "hash webhook",
    "{outbound}:slots": "hash next",
    "{sN}:alias:ID": "string",
    "{sN}:broadcast:BROADCAST:audience": "zset",
    "{sN}:broadcast:BROADCAST:counts": (
        "hash accepted delivered failed failed:63014 failed:63024 pending sending sent skipped skipped:opted_out "
        "uncertain waits:63049"
    ),
    "{sN}:broadcast:BROADCAST:pending": "zset",
    "{sN}:broadcast:BROADCAST:progress": "hash done looked_at",
    "{sN}:broadcast:BROADCAST:rows": "hash ID",
    "{sN}:contact:ID": "string",
    "{sN}:contacts": "zset",
    "{sN}:counters": "hash completed started webhooks",
    "{sN}:day:DATE": "string",
    "{sN}:draft:ID": "string",
    "{sN}:due": "zset",
    "{sN}:erasures": "zset",
    "{sN}:goodbye:ID": "string",
    "{sN}:link:ID": "string",
    "{sN}:messages:ID": "string",
    "{sN}:optout:ID": "string",
    "{sN}:otp:ID": "zset",
    "{sN}:permit:ID": "hash asked_at last_broadcast service service_rule suppressed trouble:BROADCAST updates",
    "{sN}:session:ID": "string",
    "{sN}:step:completed": "zset",
    "{sN}:step:confirmation": "zset",
    "{sN}:step:pincode": "zset",
    "{sN}:step:sector": "zset",
}
# Each job with the queue in which it waits, and its priority there.
JOBS = {
    "begin": ("outbound", 0),
    "delete_messages": ("outbound", 100),
    "enrol": ("outbound", 50),
    "nudge": ("outbound", 0),
    "otp": ("outbound", 0),
    "pump": ("outbound", 100),
    "retention": ("outbound", 100),
}


@pytest.fixture
def stored(app: Flask, redis: fakeredis.FakeRedis, clock: MovableClock) -> fakeredis.FakeRedis:
    """People in mid-flow, registered, opted out, erased and known by two addresses, and a broadcast to them."""
    for number, said in enumerate(IN_MID_FLOW):
        Talker(app, sender_of(number)).says_all("Hi", "Asha Devi", *said)
    Talker(app, sender_of(20)).says_all("Hi", "Asha Devi", "7", "560001", "1", "YES").expects_step("completed")
    Talker(app, sender_of(21)).says_all("Hi", "Asha Devi", "DELETE MY DATA", "YES")
    by_both = Talker(app, sender_of(22), USER_ID)
    by_both.hiding_the_number().says("Hi")
    clock.pass_(seconds=1)
    by_both.says("Asha Devi")
    _broadcast(World(redis=redis, clock=clock))
    return redis


def _broadcast(world: World) -> None:
    broadcast_id = world.sending()
    world.twilio.answers[sender_of(1)] = [Sent(SendResult.UNCERTAIN)]
    world.send_all(broadcast_id)
    accepted = [one for one in world.by_person(broadcast_id).values() if one.message_sid]
    for recipient, (status, code) in zip(accepted, STATUS_CALLBACKS, strict=False):
        world.callbacks.apply(broadcast_id, recipient.person_id, recipient.message_sid, status, code)


def _layout_of(redis: fakeredis.FakeRedis) -> dict[str, str]:
    kinds: dict[str, str] = {}
    fields: dict[str, set[str]] = {}
    for key in redis.scan_iter():
        name, kind = _abbreviated(key), _text(redis.type(key))
        assert kinds.setdefault(name, kind) == kind
        fields.setdefault(name, set()).update(map(_abbreviated, redis.hkeys(key) if kind == "hash" else ()))
    return {name: " ".join((kind, *sorted(fields[name]))) for name, kind in kinds.items()}


def _abbreviated(name: bytes | str) -> str:
    text = _text(name)
    for pattern, abbreviation in ABBREVIATIONS:
        text = re.sub(pattern, abbreviation, text)
    return text


def _text(answer: bytes | str) -> str:
    return answer.decode() if isinstance(answer, bytes) else answer


def test_the_release_before_finds_what_this_one_stores(stored: fakeredis.FakeRedis) -> None:
    assert _layout_of(stored) == LAYOUT


def test_the_release_before_knows_the_jobs_that_this_one_puts_into_the_queue(redis: fakeredis.FakeRedis) -> None:
    jobs = worker.build_broker(settings(), redis).actors.values()
    assert {job.actor_name: (job.queue_name, job.priority) for job in jobs} == JOBS
