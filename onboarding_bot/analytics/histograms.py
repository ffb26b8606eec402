"""Durations counted in buckets, and the quantiles of these counts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

# The upper bounds of the buckets; longer durations than the last one count in OVER.
STEP_SECONDS = (2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800, 3600, 10800, 28800, 86400)
WEBHOOK_MILLISECONDS = (
    *(1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300),
    *(500, 700, 1000, 1500, 2000, 3000, 5000, 8000, 12000),
)
OVER = "over"


def bucket_of(value: float, bounds: Sequence[int]) -> str:
    """The bucket that counts ``value``: its upper bound, which belongs to it, or OVER."""
    index = bisect_left(bounds, value)
    return str(bounds[index]) if index < len(bounds) else OVER


def quantile(counts: Mapping[str, int], bounds: Sequence[int], share: float) -> float | None:
    """The value that a ``share`` (0 to 1) of all values does not exceed, in the unit of ``bounds``; None of no values.

    Values are taken to be spread evenly inside a bucket, so the answer may be off by the bucket's width. In OVER it is
    the last bound, which is too little.
    """
    total = sum(counts.values())
    if not total:
        return None
    rank, below, lower = share * total, 0, 0
    for bound in bounds:
        inside = counts.get(str(bound), 0)
        if inside and below + inside >= rank:
            return round(lower + (bound - lower) * max(0.0, rank - below) / inside, 1)
        below, lower = below + inside, bound
    return float(bounds[-1])
