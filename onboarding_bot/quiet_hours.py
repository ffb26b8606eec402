"""The hours in which nobody is disturbed, in India's one time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from datetime import timezone as fixed_zone

INDIA = fixed_zone(timedelta(hours=5, minutes=30), "IST")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``begin`` to ``end``, Indian time; it may span midnight."""

    begin: time
    end: time

    def until(self, moment: datetime) -> datetime | None:
        """When the rest that ``moment`` falls into is over, or None when it falls into no rest."""
        local = moment.astimezone(INDIA)
        clock = local.time()
        spans_midnight = self.begin > self.end
        rests = (clock >= self.begin or clock < self.end) if spans_midnight else self.begin <= clock < self.end
        if not rests:
            return None
        end = local.replace(hour=self.end.hour, minute=self.end.minute, second=0, microsecond=0)
        return end if end > local else end + timedelta(days=1)
