"""The position of each counter of a day in the row of numbers that a shard stores for that day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

# A prefix and the counters under it, in their order. Rows that are stored are read by this table, also those of an
# older release: append rows at the end, never change one that is there. tests/analytics holds the released part.
_TABLE: tuple[tuple[str, str], ...] = (
    ("", "webhooks, failures, nudges, started, completed, unlisted"),
    ("ended:", "welcome, name, sector, pincode, phone, confirmation, completed"),
    ("entered:", "welcome, name, sector, pincode, phone, confirmation, completed"),
    ("completed:", "welcome, name, sector, pincode, phone, confirmation"),
    ("invalid:welcome:", "draft.choice"),
    ("invalid:name:", "name.characters, name.word, name.short, name.long"),
    ("invalid:sector:", "sector.number, sector.unknown"),
    ("invalid:pincode:", "pincode.characters, pincode.count, pincode.zero"),
    ("invalid:phone:", "phone.characters, phone.foreign, phone.count, phone.start"),
    ("invalid:confirmation:", "confirmation.unclear, change.unclear"),
    *(
        (
            f"seconds:{step}:",
            "2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800, 3600, 10800, 28800, 86400, over",
        )
        for step in ("welcome", "name", "sector", "pincode", "phone", "confirmation")
    ),
    (
        "milliseconds:",
        "1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 8000, "
        "12000, over",
    ),
    ("otp:", "sent, not_sent, ambiguous, refused, refused_known_number, limited"),
    *((f"{milestone}:language:", "en, hi") for milestone in ("started", "completed")),
    *(
        (
            f"{milestone}:sector:",
            "Manufacturing, Services, Technology, Healthcare, Education, Agriculture, Retail, Construction, "
            "Food & Beverage, Textile, Automotive, Other",
        )
        for milestone in ("started", "completed")
    ),
    *(
        (
            f"{milestone}:circle:",
            "Delhi, Haryana, Punjab and Chandigarh, Himachal Pradesh, Jammu & Kashmir and Ladakh, "
            "Uttar Pradesh and Uttarakhand, Rajasthan, Gujarat, Maharashtra and Goa, Madhya Pradesh, Chhattisgarh, "
            "Telangana, Andhra Pradesh, Karnataka, Tamil Nadu and Puducherry, Kerala and Lakshadweep, "
            "West Bengal and Sikkim, Odisha, Assam, North-East, Bihar and Jharkhand, Army Postal Service, Other",
        )
        for milestone in ("started", "completed")
    ),
    ("invalid:sector:", "sector.disagrees"),
    ("invalid:pincode:", "pincode.several"),
    ("invalid:phone:", "phone.several"),
    ("invalid:name:", "name.doubtful, name.declined"),
)

COUNTER_NAMES = tuple(f"{prefix}{name}" for prefix, names in _TABLE for name in names.split(", "))
# Counts what has no position: a release that counts something new has forgotten to append it.
UNLISTED = "unlisted"
_POSITIONS: Mapping[str, int] = {name: position for position, name in enumerate(COUNTER_NAMES)}


def position_of(name: str) -> int:
    """The counter's position in the row, from 0."""
    return _POSITIONS.get(name, _POSITIONS[UNLISTED])


def add_rows(rows: Iterable[Sequence[int]]) -> list[int]:
    """The sums of several rows, number by number; a row ends after the last counter that is not 0."""
    return [sum(column) for column in zip_longest(*rows, fillvalue=0)]


def counters_in(row: Sequence[int]) -> dict[str, int]:
    """The counters in a row, by their names; one of an older release is shorter, one of a newer release longer."""
    return dict(zip(COUNTER_NAMES, row, strict=False))
