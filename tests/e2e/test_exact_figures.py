"""The figures of /stats with real processes: nobody counts twice, and nobody is missed, when gunicorn's workers die."""

from __future__ import annotations

import itertools
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.e2e.test_metrics import processes
from tests.e2e.test_rolling_restart import workers_of
from tests.e2e.world import World, eventually
from tests.talker import new_sid

pytestmark = pytest.mark.redis_server

PEOPLE = 24
KILLED_EVERY = 40
SAID = ("Hi", "Asha Devi", "13", "7", "560001", "1")


def figures(world: World) -> dict[str, int]:
    """Those that this test moves, of today; a test that runs across midnight in India sees two days."""
    period = world.stats()["period"]
    steps = period["steps"]
    return {
        "answered": period["webhooks"]["count"] - period["webhooks"]["failures"],
        "started": period["started"],
        "13 is no sector": steps["sector"]["invalid"].get("sector.number", 0),
        **{
            f"entered {step}": steps[step]["entered"] for step in ("name", "sector", "pincode", "phone", "confirmation")
        },
        **{f"completed {step}": steps[step]["completed"] for step in ("name", "sector", "pincode", "phone")},
    }


def deliver(world: World, text: str, sender: str) -> None:
    """As Twilio does it: the same message until it is answered."""
    sid = new_sid()

    def is_answered() -> bool:
        try:
            return world.post(text, sender, sid).status_code == 200
        except requests.RequestException:
            return False

    eventually(is_answered, "an answer")


def test_workers_that_are_killed_leave_exact_figures(world: World) -> None:
    before = figures(world)
    answered, killed = itertools.count(1), []

    def talk(number: int) -> None:
        for text in SAID:
            deliver(world, text, f"whatsapp:+9195555{number:05}")
            if next(answered) % KILLED_EVERY == 0:
                killed.append(victim := min(workers_of(world.bot)))
                os.kill(victim, signal.SIGKILL)

    with ThreadPoolExecutor(PEOPLE) as pool:
        list(pool.map(talk, range(PEOPLE)))
    assert len(set(killed)) > 1
    eventually(lambda: len(workers_of(world.bot)) == 2, "a worker for each that was killed")
    eventually(lambda: processes(world.bot_url) == workers_of(world.bot), "both of them at work")
    moved = {name: count - before[name] for name, count in figures(world).items()}
    assert moved.pop("answered") == PEOPLE * len(SAID)
    assert moved == dict.fromkeys(moved, PEOPLE)
