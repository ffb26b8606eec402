"""The quiet hours: when the bot sends nothing on its own account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from onboarding_bot.time_zone import INDIA


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``begin`` to ``end``, Indian time; it may span midnight."""

    begin: time
    end: time

    def until(self, moment: datetime) -> datetime | None:
        """When the quiet hours that ``moment`` falls into end, or None outside of them."""
        local = moment.astimezone(INDIA)
        clock = local.time()
        spans_midnight = self.begin > self.end
        is_quiet = (clock >= self.begin or clock < self.end) if spans_midnight else self.begin <= clock < self.end
        if not is_quiet:
            return None
        end = local.replace(hour=self.end.hour, minute=self.end.minute, second=0, microsecond=0)
        return end if end > local else end + timedelta(days=1)
