"""An erased person's messages and media at a Twilio that answers over HTTP: listed page by page, and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from redis import Redis

from onboarding_bot.people.message_deletions import MessageDeletions
from onboarding_bot.services import twilio_message_log
from onboarding_bot.services.twilio_message_log import MessageLog
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.erasure_work import MESSAGES_DELETED_AFTER
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from tests.e2e.outbound import wait_for
from tests.simulator.running_simulator import ACCOUNT, TOKEN, RunningSimulator, running_simulator

ASHA, RAVI = "whatsapp:+919876543210", "whatsapp:+919876543211"


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[RunningSimulator]:
    with running_simulator(tmp_path) as simulator:
        yield simulator


@pytest.fixture
def log(simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> MessageLog:
    monkeypatch.setattr(twilio_message_log, "PAGE_SIZE", 2)
    return MessageLog(simulator.url, ACCOUNT, TOKEN)


def write(simulator: RunningSimulator, person: str, **what: str) -> None:
    answer = requests.post(f"{simulator.url}/sim/messages", json={"from": person} | what, timeout=120)
    assert answer.ok, answer.text


def test_nothing_of_the_person_is_left_at_twilio(simulator: RunningSimulator, log: MessageLog, redis: Redis) -> None:
    for text in ("Hi", "Asha Devi", "7"):
        write(simulator, ASHA, text=text)
    write(simulator, ASHA, type="image")
    write(simulator, RAVI, text="Hi")
    for _ in range(3):
        assert simulator.send(To=ASHA, Body="The fair opens on Monday.").status_code == 201
    (picture,) = [message for message in log.messages(sender=ASHA) if message.media]
    media = f"{simulator.url}/2010-04-01/Accounts/{ACCOUNT}/Messages/{picture.sid}/Media.json"
    assert len(requests.get(media, auth=(ACCOUNT, TOKEN), timeout=120).json()["media_list"]) == 1

    store = RedisSessionStore(
        redis, Keys("a person key"), Sealer(Cipher([b"k" * 32])), timedelta(days=180), timedelta(days=7)
    )
    erasures = Erasures(redis, Keys("a person key"), Sealer(Cipher([b"k" * 32])), store)
    now = datetime.now(UTC)
    erasures.erase(store.identify(ASHA), now, ASHA)
    ((_, deletion_id),) = store.take_due(now + MESSAGES_DELETED_AFTER, timedelta(minutes=1))
    deletions = MessageDeletions(erasures, log, lambda: now + MESSAGES_DELETED_AFTER, lambda _seconds: None)

    def is_over() -> bool:
        deletions.run(deletion_id)
        return erasures.deletions.find(deletion_id) is None

    wait_for(is_over, "no message left; the last ones were on their way for a moment")
    assert list(log.messages(sender=ASHA)) == list(log.messages(recipient=ASHA)) == []
    assert requests.get(media, auth=(ACCOUNT, TOKEN), timeout=120).json()["media_list"] == []
    assert len(list(log.messages(sender=RAVI))) == 1
