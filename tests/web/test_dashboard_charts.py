"""Charts: where bars and lines stand, what the axis says, and that the table has every figure."""

from __future__ import annotations

import pytest

from onboarding_bot.web.dashboard.broadcast_card import progress
from onboarding_bot.web.dashboard.charts import columns, lines

LABELS = ["20 Nov", "21 Nov", "Today"]


def written(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def test_columns_stand_side_by_side_as_high_as_their_value() -> None:
    chart = columns("x", "X", LABELS, [50, 0, 100], written, "")
    (series,) = chart.series
    assert [(bar.x, bar.y, bar.height, bar.says) for bar in series.bars] == [
        (1.5, 50.0, 50.0, "20 Nov: 50"),
        (21.5, 0.0, 100.0, "Today: 100"),
    ]
    assert series.shown == ("50", "0", "100")
    assert (chart.top, chart.width, chart.is_empty) == ("100", 30, False)


def test_the_smallest_value_can_be_seen() -> None:
    (series,) = columns("x", "X", LABELS, [1, None, 1_000_000], written, "").series
    assert series.bars[0].height == 1.0


@pytest.mark.parametrize(
    ("highest", "top"),
    [
        (0, "1"),
        (1, "1"),
        (1.1, "2"),
        (2.2, "2.5"),
        (3, "5"),
        (7, "10"),
        (1000, "1000"),
        (1001, "2000"),
        (0.0042, "0.005"),
    ],
)
def test_the_axis_ends_in_a_number_one_can_read(highest: float, top: str) -> None:
    assert columns("x", "X", ["Today"], [highest], written, "").top == top


def test_an_axis_may_have_a_least_height() -> None:
    chart = columns("x", "X", LABELS, [0, 0.001, None], written, "", least_top=0.01)
    assert chart.top == "0.01"
    assert [bar.height for bar in chart.series[0].bars] == [10.0]
    assert columns("x", "X", LABELS, [0, 0.03, None], written, "", least_top=0.01).top == "0.05"


def test_a_line_is_interrupted_where_nothing_is_known() -> None:
    chart = lines("x", "X", [*LABELS, "a", "b"], [("one", [10, 5, None, 10, None]), ("two", [None] * 5)], written, "")
    one, two = chart.series
    assert one.lines == ("5,0.00 15,50.00", "35,0.00 35,0.00"), "a point alone is a dot"
    assert two.lines == ()
    assert two.shown == ("–",) * 5
    assert not chart.is_empty


def test_nothing_known_is_an_empty_chart() -> None:
    assert lines("x", "X", LABELS, [("one", [None] * 3)], written, "").is_empty
    assert columns("x", "X", LABELS, [None] * 3, written, "").is_empty
    assert not columns("x", "X", LABELS, [0, None, 0], written, "").is_empty


def test_a_bar_of_progress_is_full_only_when_nobody_is_left() -> None:
    counts = dict.fromkeys(("pending", "sending", "uncertain", "sent", "delivered", "read", "failed", "skipped"), 0)
    bar = progress(counts | {"pending": 1, "sent": 900, "read": 98, "failed": 1, "skipped": 50}, 1000)
    assert (bar.attempted, bar.total, bar.percent) == (999, 1000, 99)
    assert [(segment.state, segment.x, segment.width) for segment in bar.segments] == [
        ("read", 0, 98.0),
        ("sent", 98.0, 900.0),
        ("failed", 998.0, 1.0),
    ]
    assert progress(counts | {"sent": 3}, 3).percent == 100
    assert progress(counts, 0).percent == 0
    assert progress(counts, None).segments == ()
