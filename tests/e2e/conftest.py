"""One world for all end-to-end tests of a run; each test brings people of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.e2e.world import World, running_world

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("world"), "--appendonly", "yes", "--appendfsync", "always") as running:
        yield running


@pytest.fixture
def owner(world: World) -> Iterator[str]:
    """An owner whom nobody has heard of; the outside world is whole again afterwards."""
    yield f"whatsapp:+9190000{next(_numbers):05}"
    world.set_fault(auth_api="ok", redeliver="off")
