"""Waves: how large each may be, and when one must not go on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from onboarding_bot.outbound.broadcast_states import STATE_BY_CALLBACK, BroadcastStatus, RecipientState
from onboarding_bot.outbound.waves import WaveResult, reason_to_pause, wave_limits


@pytest.mark.parametrize(
    ("recipients", "percentages", "is_counted", "expected"),
    [
        pytest.param(10_000, (2, 10), True, [200, 1000, None], id="two, ten, all"),
        pytest.param(200, (2, 10), True, [4, 20, None], id="just enough"),
        pytest.param(199, (2, 10), True, [None], id="too few"),
        pytest.param(199, (2, 10), False, [4, 20, None], id="few so far"),
        pytest.param(0, (2, 10), False, [0, 0, None], id="nobody so far"),
        pytest.param(0, (2, 10), True, [None], id="nobody"),
        pytest.param(10_000, (), True, [None], id="off"),
        pytest.param(10_000, (), False, [None], id="off while counting"),
        pytest.param(333, (2, 100), True, [7, None], id="a share is rounded up, and all is all"),
    ],
)
def test_how_many_a_wave_may_reach(
    recipients: int, percentages: Sequence[int], is_counted: bool, expected: list[int | None]
) -> None:
    assert wave_limits(recipients, percentages, is_counted=is_counted) == expected


@pytest.mark.parametrize(
    ("attempted", "failed", "stops", "word"),
    [
        pytest.param(100, 5, 2, None, id="just well"),
        pytest.param(100, 6, 0, "failed", id="six per cent failed"),
        pytest.param(100, 0, 3, "STOP", id="three per cent said STOP"),
        pytest.param(100, 6, 3, "failed", id="both"),
        pytest.param(19, 19, 19, None, id="too few to judge"),
        pytest.param(20, 2, 0, "failed", id="just enough to judge"),
        pytest.param(0, 0, 0, None, id="nothing yet"),
    ],
)
def test_when_a_wave_must_not_go_on(attempted: int, failed: int, stops: int, word: str | None) -> None:
    reason = reason_to_pause(WaveResult(attempted, failed, stops))
    assert (reason is None) if word is None else (reason is not None and word in reason)


def test_which_statuses_are_final() -> None:
    assert {status for status in BroadcastStatus if status.is_final} == {"stopped", "cancelled", "completed"}


def test_which_callbacks_move_a_recipient() -> None:
    assert set(STATE_BY_CALLBACK.values()) == {
        RecipientState.SENT,
        RecipientState.DELIVERED,
        RecipientState.READ,
        RecipientState.FAILED,
    }
