"""A reminder through real parts: the worker finds it due, and it arrives on the phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.outbound import Worker
from tests.e2e.world import eventually, running_world
from tests.settings import ENVIRONMENT
from tests.talker import OWNER

pytestmark = pytest.mark.redis_server


def test_who_stops_answering_is_reminded_of_the_pending_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENT, "NUDGE_AFTER", "2s")
    monkeypatch.setitem(ENVIRONMENT, "QUIET_HOURS", "off")
    with running_world(tmp_path) as world:
        worker = Worker.beside(world, tmp_path)
        worker.start()
        try:
            world.converse("Hi")
            world.converse("Asha Devi")

            def reminder() -> str:
                unasked = (e for e in world.events() if e["kind"] == "reply" and e["in_reply_to"] is None)
                return next((str(event["text"]) for event in unasked if event["person"] == OWNER), "")

            assert "12. Other" in eventually(reminder, "a reminder")
        finally:
            worker.end()
