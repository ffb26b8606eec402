"""A world for each test: the simulator by Flask's test client, the bot by ``responses``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import responses

from simulator.app import create_simulator
from simulator.settings import Settings, load_settings
from tests.simulator.simulated_world import ACCOUNT, BOT_URL, OLD_TOKEN, PUBLIC_URL, TOKEN, Bot, Clock, World


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {
            "SIMULATOR_DATABASE": str(tmp_path / "deep" / "simulator.sqlite3"),
            "SIMULATOR_BOT_URL": BOT_URL,
            "PUBLIC_BASE_URL": PUBLIC_URL,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": f"{TOKEN},{OLD_TOKEN}",
            "HANDOFF_API_KEY": "h" * 20,
        }
    )


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    clock = Clock()
    pauses: list[float] = []
    simulator = create_simulator(
        settings,
        clock=clock,
        sleep=pauses.append,
        run=lambda work: work(),
        monotonic=clock.monotonic,
    )
    with responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        yield World(simulator.app.test_client(), simulator.events, clock, Bot(http), pauses)
    simulator.close()
