"""Buckets, and the quantiles that are read off them."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding_bot.analytics.histograms import OVER, STEP_SECONDS, WEBHOOK_MILLISECONDS, bucket_of, quantile

BOUNDS = (10, 20, 50)


@pytest.mark.parametrize(
    ("value", "bucket"),
    [(0, "10"), (9.99, "10"), (10, "10"), (10.01, "20"), (50, "50"), (50.1, OVER), (10**9, OVER), (-1, "10")],
)
def test_a_bound_belongs_to_its_bucket(value: float, bucket: str) -> None:
    assert bucket_of(value, BOUNDS) == bucket


@pytest.mark.parametrize(
    ("counts", "share", "value"),
    [
        pytest.param({}, 0.5, None, id="nothing"),
        pytest.param({"10": 1}, 0.5, 5.0, id="one value, in the middle of its bucket"),
        pytest.param({"20": 4}, 0.5, 15.0, id="one bucket"),
        pytest.param({"10": 5, "50": 5}, 0.5, 10.0, id="the first half ends where its bucket does"),
        pytest.param({"10": 5, "50": 5}, 0.9, 44.0, id="inside the second half"),
        pytest.param({"10": 1, OVER: 9}, 0.5, 50.0, id="beyond all bounds it is the last one"),
        pytest.param({"10": 0, "20": 2, "50": 0}, 1.0, 20.0, id="the largest"),
        pytest.param({"20": 2}, 0.0, 10.0, id="the smallest"),
    ],
)
def test_quantiles(counts: dict[str, int], share: float, value: float | None) -> None:
    assert quantile(counts, BOUNDS, share) == value


@pytest.mark.parametrize("bounds", [STEP_SECONDS, WEBHOOK_MILLISECONDS], ids=["seconds", "milliseconds"])
@given(data=st.data())
def test_a_quantile_lies_in_the_bucket_of_the_true_one(bounds: tuple[int, ...], data: st.DataObject) -> None:
    values = data.draw(st.lists(st.floats(0.001, bounds[-1]), min_size=1, max_size=60))
    counts: dict[str, int] = {}
    for value in values:
        bucket = bucket_of(value, bounds)
        counts[bucket] = counts.get(bucket, 0) + 1
    told = quantile(counts, bounds, 0.5)
    assert told is not None
    true = bounds.index(int(bucket_of(statistics.median_low(values), bounds)))
    assert (bounds[true - 1] if true else 0) <= told <= bounds[true]


def test_bounds_rise() -> None:
    for bounds in (STEP_SECONDS, WEBHOOK_MILLISECONDS):
        assert list(bounds) == sorted(set(bounds))
