"""The same product on a Redis in cluster mode: the conversation, the queue, a reminder and a broadcast."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.e2e.outbound import Admin, Worker
from tests.e2e.people import address, settle, store_at
from tests.e2e.world import PATIENCE_SECONDS, eventually, running_world
from tests.settings import ENVIRONMENT
from tests.talker import OWNER

pytestmark = pytest.mark.redis_server


def page_after_sign_in(url: str) -> str:
    """What somebody sees at the dashboard after having given the key."""
    with requests.Session() as browser:
        browser.get(url, timeout=PATIENCE_SECONDS)
        page = browser.post(
            f"{url}/sign-in",
            data={"key": ENVIRONMENT["ADMIN_API_KEY"]},
            headers={"Sec-Fetch-Site": "same-origin"},
            timeout=PATIENCE_SECONDS,
        )
        assert page.status_code == 200
        return page.text


def test_everything_works_in_cluster_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "NUDGE_AFTER", "2s")
    monkeypatch.setitem(ENVIRONMENT, "QUIET_HOURS", "off")
    with running_world(tmp_path, in_cluster_mode=True) as world:
        settle(store_at(world.environment["REDIS_URL"]), [address(number) for number in range(100)])
        worker = Worker.beside(world, tmp_path)
        worker.start()
        try:
            assert "Asha Devi" in [world.converse("Hi"), world.converse("Asha Devi")][1]
            admin = Admin(world)
            broadcast_id = admin.broadcast()
            admin.wait_for_status(broadcast_id, "completed")
            assert admin.look(broadcast_id)["sent_count"] == 101
            assert world.stats()["total_sessions"] == 101
            assert "The fair opens on Monday" in page_after_sign_in(f"{world.bot_url}/dashboard")

            def reminder() -> bool:
                unasked = (event for event in world.events() if event.get("in_reply_to", "") is None)
                return any(event["person"] == OWNER and "12. Other" in event["text"] for event in unasked)

            assert eventually(reminder, "a reminder")
            assert worker.stop() == 0
        finally:
            worker.end()
