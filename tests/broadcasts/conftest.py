"""A world for broadcasts."""

from __future__ import annotations

import pytest

from tests.broadcasts.world import World


@pytest.fixture
def world() -> World:
    return World()
