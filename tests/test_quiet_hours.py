"""Hours of rest, in India's one time zone."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from onboarding_bot.quiet_hours import QuietHours
from onboarding_bot.time_zone import INDIA

NIGHT, SIESTA = QuietHours(time(21), time(9)), QuietHours(time(13), time(14, 30))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=INDIA)


@pytest.mark.parametrize(
    ("hours", "moment", "until"),
    [
        pytest.param(NIGHT, "22T20:59:59", None, id="just before"),
        pytest.param(NIGHT, "22T21:00:00", "23T09:00:00", id="as it begins"),
        pytest.param(NIGHT, "22T23:59:59", "23T09:00:00", id="before midnight"),
        pytest.param(NIGHT, "23T00:00:00", "23T09:00:00", id="midnight"),
        pytest.param(NIGHT, "23T08:59:59", "23T09:00:00", id="the last second"),
        pytest.param(NIGHT, "23T09:00:00", None, id="as it ends"),
        pytest.param(NIGHT, "30T22:00:00", "01T09:00:00", id="the last of the month"),
        pytest.param(SIESTA, "22T12:59:59", None, id="before the siesta"),
        pytest.param(SIESTA, "22T13:00:00", "22T14:30:00", id="the siesta begins"),
        pytest.param(SIESTA, "22T14:29:59", "22T14:30:00", id="in the siesta"),
        pytest.param(SIESTA, "22T14:30:00", None, id="after the siesta"),
        pytest.param(SIESTA, "22T23:00:00", None, id="a night without rest"),
    ],
)
def test_when_the_rest_is_over(hours: QuietHours, moment: str, until: str | None) -> None:
    expected = at(until) if until else None
    if until == "01T09:00:00":
        expected = datetime(2026, 12, 1, 9, tzinfo=INDIA)
    assert hours.until(at(moment)) == expected
    assert hours.until(at(moment).astimezone(UTC)) == expected, "whatever zone the moment is told in"
