"""What it costs to know who writes: two trips to Redis for a message, as ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis.connection
from flask import Flask

from onboarding_bot.app import create_app
from onboarding_bot.storage.connection import connect
from tests.fakes import FakeOtpService
from tests.inside import forget_addresses
from tests.servers import cluster_url, running_nodes, running_redis
from tests.settings import settings
from tests.talker import Talker

ASHA, NUMBER = "IN.13491208655302741918", "whatsapp:+919876543210"


@pytest.fixture(scope="module", params=["redis-server", "a cluster of three primaries"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("redis")
    if request.param == "redis-server":
        with running_redis(folder) as server:
            yield create_app(settings(), redis=connect(server.url), otp_service=FakeOtpService())
    else:
        with running_nodes(folder, primaries=3) as nodes:
            yield create_app(settings(), redis=connect(cluster_url(nodes)), otp_service=FakeOtpService())


@pytest.fixture(autouse=True)
def nobody_has_written(app: Flask) -> None:
    """The scripts are on every server, and nothing else is."""
    for number in range(100):
        Talker(app, f"whatsapp:+9191111{number:05}").says("Hi")
    Talker(app, NUMBER).store._client.flushall()
    forget(app)


def forget(app: Flask) -> None:
    """Become a process that has met nobody."""
    forget_addresses(app)


@contextmanager
def counted_trips(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every command that goes out over any connection."""
    seen: list[str] = []
    send: Callable[..., Any] = redis.connection.AbstractConnection.send_command

    def counting(connection: Any, *args: Any, **options: Any) -> Any:
        seen.append(str(args[0]))
        return send(connection, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(redis.connection.AbstractConnection, "send_command", counting)
        yield seen


def trips(monkeypatch: pytest.MonkeyPatch, talker: Talker, text: str) -> int:
    with counted_trips(monkeypatch) as seen:
        talker.says(text)
    # Off the path of any message, the process notes now and then that it heard from Twilio.
    return sum(name in {"MGET", "GET", "EVALSHA", "HGETALL", "SMEMBERS"} for name in seen)


@pytest.mark.parametrize("way", ["number", "id", "both"])
def test_a_person_by_the_own_hash_costs_two_trips(monkeypatch: pytest.MonkeyPatch, app: Flask, way: str) -> None:
    talker = Talker(app, NUMBER, "" if way == "number" else ASHA, hides_number=way == "id").says("Hi")
    for text in ("Asha Devi", "7", "560001"):
        forget(app)
        assert trips(monkeypatch, talker, text) == 2


def test_another_address_costs_a_third_trip_once_for_each_process(monkeypatch: pytest.MonkeyPatch, app: Flask) -> None:
    by_number = Talker(app, NUMBER, ASHA).says("Hi")
    by_id = by_number.hiding_the_number()
    for _process in range(2):
        forget(app)
        assert [trips(monkeypatch, by_id, text) for text in ("HELP", "HELP", "HELP")] == [3, 2, 2]
        assert [trips(monkeypatch, by_number, text) for text in ("HELP", "HELP")] == [2, 2]


def test_a_number_of_a_person_who_was_met_by_id_costs_it_once_too(monkeypatch: pytest.MonkeyPatch, app: Flask) -> None:
    by_number = Talker(app, NUMBER, ASHA)
    by_number.hiding_the_number().says("Hi")
    by_number.says("Asha Devi")
    forget(app)
    assert [trips(monkeypatch, by_number, text) for text in ("HELP", "HELP", "HELP")] == [3, 2, 2]
