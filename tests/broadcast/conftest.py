"""A world for broadcasts."""

from __future__ import annotations

import pytest

from tests.broadcast.world import World


@pytest.fixture
def world() -> World:
    return World()
