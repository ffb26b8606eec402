"""How the pages write numbers, spans of time and moments: grouped as in India, in Indian time, with units."""

from __future__ import annotations

from datetime import date, datetime

from onboarding_bot.conversation.commands import language_name
from onboarding_bot.time_zone import INDIA

NOTHING = "–"


def number(value: int | None) -> str:
    """A number with Indian grouping: 1234567 as 12,34,567."""
    if value is None:
        return NOTHING
    digits = str(abs(value))
    head, tail = digits[:-3], digits[-3:]
    groups = [tail]
    while head:
        head, group = head[:-2], head[-2:]
        groups.insert(0, group)
    return ("-" if value < 0 else "") + ",".join(groups)


def percent(share: float | None, places: int = 1) -> str:
    """A share as per cent: 0.9973 as 99.7 %."""
    return NOTHING if share is None else f"{share * 100:.{places}f} %"


def seconds(value: float | None) -> str:
    """A span of seconds in a suitable unit: 84 ms, 1.2 s, 3 min 5 s, 2 h 10 min."""
    if value is None:
        return NOTHING
    # The bounds are where rounding would reach the next unit.
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 9.95:
        return f"{value:.1f} s"
    if value < 59.5:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def roughly(value: float) -> str:
    """A span of seconds in one whole unit: 12 s, 27 min, 5 h, 3 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if value >= size:
            return f"{value // size:.0f} {unit}"
    return f"{value:.0f} s"


def moment(value: datetime | None, now: datetime) -> str:
    """A moment in Indian time, with its date unless that is today: 14:05 or 21 Nov, 14:05."""
    if value is None:
        return NOTHING
    local = value.astimezone(INDIA)
    clock = f"{local:%H:%M}"
    if local.date() == now.astimezone(INDIA).date():
        return clock
    year = f" {local.year}" if local.year != now.astimezone(INDIA).year else ""
    return f"{day(local.date())}{year}, {clock}"


def day(value: date) -> str:
    """A day: 21 Nov."""
    return f"{value.day} {value:%b}"


def words(name: str) -> str:
    """A code as words: opted_out as Opted out."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def excerpt(text: str, length: int = 90) -> str:
    """The beginning of a message on one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def clock(value: datetime) -> str:
    """A moment's time of day in Indian time: 14:05:09."""
    return f"{value.astimezone(INDIA):%H:%M:%S}"


def people(count: int) -> str:
    """A number of people: 1 person, 12,345 people."""
    return "1 person" if count == 1 else f"{number(count)} people"


def language(code: str) -> str:
    """The name of the language with this code."""
    return language_name(code)


def skipped(reason: str) -> str:
    """Why a person is skipped by a broadcast."""
    return {
        "opted_out": "Said STOP",
        "outside_window": "Wrote more than 24 hours ago",
        "suppressed": "Blocked, or unreachable",
        "no_consent": "Has not agreed to such messages",
        "frequency": "Had marketing lately",
    }.get(reason, words(reason))


def shown(count: int | str) -> str:
    """A count, or the words in its place that a small count has."""
    return number(count) if isinstance(count, int) else count
