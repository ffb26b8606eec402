"""Every message counts once: under many at once, delivered twice, and with processes that die after their commit."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from flask import Flask

from onboarding_bot.analytics.counter_layout import counters_in
from onboarding_bot.app import create_app
from onboarding_bot.clock import Clock
from onboarding_bot.conversation.turn import OtpResult
from onboarding_bot.storage.connection import AnyRedis, connect
from onboarding_bot.storage.session_store import StoredPerson
from tests.fakes import NOON, FakeOtpService, MovableClock
from tests.inside import put_store, store_of
from tests.servers import running_redis
from tests.settings import settings
from tests.talker import OWNER, Talker, new_sid, post_signed, webhook_form

PEOPLE, MESSAGES = 16, 14
SAID = ["Hi", "Asha Devi", "7", "560001", "1", "YES", "NO", "2", "BACK", "RESTART", "HELP", "13", "x", "STOP", "LOGIN"]
LIKELY = [1, 5, 5, 5, 5, 4, 1, 2, 1, 1, 1, 1, 1, 1, 1]

Said = list[tuple[str, str]]


class ProcessDied(BaseException):
    """What a kill -9 looks like from inside."""


@dataclass
class FrailStore:
    """A store whose process dies now and then: after a commit, before anybody hears of it."""

    store: Any
    chance: random.Random
    deaths: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def commit(self, *args: Any, **options: Any) -> Any:
        stored = self.store.commit(*args, **options)
        with self.lock:
            dies = isinstance(stored, StoredPerson) and self.chance.random() < 0.2
            # The clock of this test stands still, and with it the lease of an OTP that is being requested.
            if dies and not (stored.session and stored.session.intention and stored.session.intention.lease_until):
                self.deaths += 1
                raise ProcessDied
        return stored


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyRedis]:
    with running_redis(Path(tmp_path_factory.mktemp("redis"))) as running:
        yield connect(running.url)


def app_on(redis: AnyRedis) -> Flask:
    return create_app(
        settings(MESSAGES_PER_MINUTE="10000"),
        redis=redis,
        otp_service=FakeOtpService(),
        clock=Clock(now=lambda: NOON),
    )


def conversations(seed: int) -> dict[str, Said]:
    """What everybody says, each message with its sid."""
    chance = random.Random(seed)
    return {
        f"whatsapp:+9198765{number:05}": [
            (text, new_sid()) for text in ["Hi", *chance.choices(SAID, LIKELY, k=MESSAGES)]
        ]
        for number in range(PEOPLE)
    }


def counted(app: Flask) -> Counter[str]:
    """All that has moved today; of the times only how many there are, for no two runs take the same."""
    (row,) = store_of(app).add_up(NOON).days.values()
    sums: Counter[str] = Counter()
    for name, count in counters_in(row).items():
        sums["milliseconds" if name.startswith("milliseconds:") else name] += count
    return +sums


def say_calmly(app: Flask, everything: dict[str, Said]) -> None:
    for sender, said in everything.items():
        for text, sid in said:
            Talker(app, sender).says(text, sid)


def deliver(app: Flask, text: str, sender: str, sid: str) -> None:
    """As Twilio does: until somebody answers."""
    for _ in range(50):
        try:
            if post_signed(app.test_client(), webhook_form(text, sender, sid)).status_code == 200:
                return
        except ProcessDied:
            continue
    raise AssertionError("never answered")


def say_in_a_storm(app: Flask, everything: dict[str, Said], chance: random.Random) -> None:
    """Everybody at once, many a message in several copies at once."""

    def talk(sender: str, said: Said, copies: list[int]) -> None:
        for (text, sid), count in zip(said, copies, strict=True):
            with ThreadPoolExecutor(count) as pool:
                for done in [pool.submit(deliver, app, text, sender, sid) for _ in range(count)]:
                    done.result()

    with ThreadPoolExecutor(8) as pool:
        for done in [
            pool.submit(talk, sender, said, chance.choices([1, 2, 3], [4, 2, 1], k=len(said)))
            for sender, said in everything.items()
        ]:
            done.result()


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_counts_what_a_calm_day_counts(server: AnyRedis, seed: int) -> None:
    server.flushall()
    chance, everything = random.Random(seed), conversations(seed)
    calm, storm = app_on(fakeredis.FakeRedis()), app_on(server)
    say_calmly(calm, everything)
    frail = FrailStore(store_of(storm), chance)
    put_store(storm, frail)
    say_in_a_storm(storm, everything, chance)
    assert frail.deaths > PEOPLE
    assert counted(storm) == counted(calm)
    assert counted(storm)["webhooks"] == counted(storm)["milliseconds"] == PEOPLE * (MESSAGES + 1)


def test_the_messages_of_one_person_at_once_count_one_by_one(server: AnyRedis) -> None:
    server.flushall()
    app = app_on(server)
    Talker(app).says("Hi")
    said = [(text, new_sid()) for text in ("HELP", "x", "STATUS") * 8]
    with ThreadPoolExecutor(12) as pool:
        for done in [pool.submit(deliver, app, text, OWNER, sid) for text, sid in said * 2]:
            done.result()
    assert counted(app) == {
        "webhooks": 25, "milliseconds": 25, "started": 1, "started:language:en": 1, "entered:name": 1,
        "invalid:name:name.short": 8,
    }  # fmt: skip


@pytest.mark.parametrize("result", [OtpResult.SENT, OtpResult.REFUSED])
def test_an_otp_request_counts_once_whoever_takes_it_up(
    app: Flask, talker: Talker, otp_service: FakeOtpService, clock: MovableClock, result: OtpResult
) -> None:
    def die() -> None:
        raise ProcessDied

    talker.answers_everything()
    before = counted(app)
    otp_service.during, otp_service.result = die, result
    sid = new_sid()
    with pytest.raises(ProcessDied):
        talker.says("YES", sid)
    assert counted(app) == before
    clock.pass_(seconds=11)
    talker.says("YES", sid)
    assert (counted(app) - before)["webhooks"] == 1
    assert (counted(app) - before)[f"otp:{result}"] == 1
