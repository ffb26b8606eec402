"""The write probe: what it does in Redis is what a turn does, and nothing stays behind."""

from __future__ import annotations

import re

import pytest

from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.storage.connection import AnyRedis, connect
from onboarding_bot.storage.scripts import source_of
from onboarding_bot.storage.write_probe import WriteProbe
from tests.servers import free_port


def commands_of(script: str) -> set[str]:
    return set(re.findall(r"redis\.call\('(\w+)'", source_of(script)))


@pytest.mark.parametrize("script", ["commit", "erase", "reserve_otp"])
def test_it_makes_every_kind_of_change_that_a_turn_makes(script: str) -> None:
    reads_only = {"ZCARD", "ZRANGE", "HKEYS", "HGETALL", "HMGET", "ZSCORE", "PTTL", "TIME"}
    assert commands_of(script) - reads_only <= commands_of("write_probe")
    assert "MGET" in commands_of("write_probe"), "a turn begins with it"


def test_a_server_that_takes_writes_refuses_nobody(client: AnyRedis) -> None:
    assert WriteProbe(client).refusing() == []
    assert client.keys() == []


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster", "redis+sentinel"])
def test_a_server_that_is_away_is_unavailable(scheme: str) -> None:
    service = "/mymaster" if scheme == "redis+sentinel" else ""
    probe = WriteProbe(connect(f"{scheme}://127.0.0.1:{free_port()}{service}", retries=0))
    with pytest.raises(StoreUnavailableError):
        probe.refusing()
