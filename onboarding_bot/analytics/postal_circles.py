"""Which postal circle a pincode belongs to."""

from __future__ import annotations

# India Post's Postal Index Number: the first digit is the zone, the first two the circle. Where two circles share their
# two digits (those of Bihar and Jharkhand, of Uttar Pradesh and Uttarakhand), they are counted together.
_PREFIXES = {
    "Delhi": "11",
    "Haryana": "12 13",
    "Punjab and Chandigarh": "14 15 16",
    "Himachal Pradesh": "17",
    "Jammu & Kashmir and Ladakh": "18 19",
    "Uttar Pradesh and Uttarakhand": "20 21 22 23 24 25 26 27 28",
    "Rajasthan": "30 31 32 33 34",
    "Gujarat": "36 37 38 39",
    "Maharashtra and Goa": "40 41 42 43 44",
    "Madhya Pradesh": "45 46 47 48",
    "Chhattisgarh": "49",
    "Telangana": "50",
    "Andhra Pradesh": "51 52 53",
    "Karnataka": "56 57 58 59",
    "Tamil Nadu and Puducherry": "60 61 62 63 64",
    "Kerala and Lakshadweep": "67 68 69",
    "West Bengal and Sikkim": "70 71 72 73 74",
    "Odisha": "75 76 77",
    "Assam": "78",
    "North-East": "79",
    "Bihar and Jharkhand": "80 81 82 83 84 85",
    "Army Postal Service": "90 91 92 93 94 95 96 97 98 99",
}
OTHER_CIRCLE = "Other"
CIRCLES = (*_PREFIXES, OTHER_CIRCLE)

_BY_PREFIX = {prefix: circle for circle, prefixes in _PREFIXES.items() for prefix in prefixes.split()}


def circle_of(pincode: str) -> str:
    """The circle's name, or OTHER_CIRCLE for digits that India Post has given to none."""
    return _BY_PREFIX.get(pincode[:2], OTHER_CIRCLE)
