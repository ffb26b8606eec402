"""How the dashboard writes figures, spans and moments."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onboarding_bot.web.dashboard import display_formats
from tests.fakes import NOON


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"),
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (99999, "99,999"),
        (100000, "1,00,000"),
        (1234567, "12,34,567"),
        (123456789, "12,34,56,789"),
        (-1234567, "-12,34,567"),
    ],
)
def test_numbers_are_grouped_as_in_india(value: int | None, written: str) -> None:
    assert display_formats.number(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"),
        (0, "0 ms"),
        (0.0842, "84 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (1.24, "1.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (185, "3 min 5 s"),
        (3600, "1 h"),
        (7800, "2 h 10 min"),
        (86400, "24 h"),
    ],
)
def test_a_span_has_the_unit_that_suits_it(value: float | None, written: str) -> None:
    assert display_formats.seconds(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "59 min"), (86399, "23 h"), (200000, "2 d")],
)
def test_the_past_is_told_roughly(value: float, written: str) -> None:
    assert display_formats.roughly(value) == written


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (None, "–"),
        (datetime(2026, 11, 22, 8, 35, tzinfo=UTC), "14:05"),
        (datetime(2026, 11, 22, 18, 29, tzinfo=UTC), "23:59"),
        (datetime(2026, 11, 22, 18, 30, tzinfo=UTC), "23 Nov, 00:00"),
        (datetime(2026, 11, 21, 8, 35, tzinfo=UTC), "21 Nov, 14:05"),
        (datetime(2027, 1, 1, 8, 35, tzinfo=UTC), "1 Jan 2027, 14:05"),
    ],
)
def test_a_moment_has_its_date_unless_it_is_today(moment: datetime | None, written: str) -> None:
    assert display_formats.moment(moment, NOON) == written


def test_shares() -> None:
    assert [display_formats.percent(share) for share in (None, 0.0, 0.9973, 1.0)] == ["–", "0.0 %", "99.7 %", "100.0 %"]


def test_an_excerpt_is_one_line() -> None:
    assert display_formats.excerpt("a\n b  c") == "a b c"
    assert display_formats.excerpt("x" * 91) == "x" * 89 + "…"
