"""Who was erased and when, outside of Redis: beside each backup, and in the bot's log.

A restored backup brings people back who were erased after it. So ``backup`` writes the list beside it, every erasure is
a line of the log, and ``restore`` reads both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

SUFFIX = ".erasures"
ERASED = "erased"
_LINE = re.compile(r"([0-9a-f]{32}) (\S+)")
_AS_OF = "# all erasures until "


class ErasureList:
    """The latest erasure of each person (by the keyed hash), and until when the list is known to be complete."""

    def __init__(self) -> None:
        self.latest: dict[str, datetime] = {}
        self.complete_until: datetime | None = None

    def read(self, lines: Iterable[str]) -> None:
        """Add what a list or a log says; other lines of a log are skipped."""
        for line in lines:
            if line.startswith(_AS_OF):
                until = datetime.fromisoformat(line.removeprefix(_AS_OF).strip())
                self.complete_until = max(until, self.complete_until or until)
            elif found := _LINE.fullmatch(line.strip()):
                self._add(found[1], datetime.fromisoformat(found[2]))
            elif line.lstrip().startswith("{"):
                self._read_log(line)

    def _read_log(self, line: str) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            # A log may have been cut off anywhere.
            return
        if isinstance(entry, dict) and entry.get("event") == ERASED and _is_person(entry.get("person_id")):
            self._add(entry["person_id"], datetime.fromisoformat(entry["erased_at"]))

    def _add(self, person_id: str, at: datetime) -> None:
        # To the millisecond, as Redis has it.
        at = datetime.fromtimestamp(round(at.timestamp() * 1000) / 1000, UTC)
        self.latest[person_id] = max(at, self.latest.get(person_id, at))


def written(erasures: Mapping[str, datetime], until: datetime) -> str:
    """The list as a file."""
    lines = [f"{person_id} {at.astimezone(UTC).isoformat()}" for person_id, at in sorted(erasures.items())]
    return "\n".join([f"{_AS_OF}{until.isoformat()}", *lines]) + "\n"


def beside(backup: Path) -> Path:
    """Where the list of a backup is."""
    return backup.with_name(backup.name + SUFFIX)


def _is_person(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32}", value) is not None
