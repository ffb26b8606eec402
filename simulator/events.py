"""The event log: everything that happened, in order, kept for good and streamed to whoever looks on."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from simulator.clock import Clock, iso
from simulator.database import Database

_PING_SECONDS = 15.0
_BATCH = 500


class Kind(StrEnum):
    """What can happen; README.md lists the fields of each."""

    INBOUND = "inbound"
    WEBHOOK = "webhook"
    TYPING = "typing"
    REPLY = "reply"
    STATUS = "status"
    SMS = "sms"
    FAULT = "fault"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; ``fields`` depend on the kind."""

    id: int
    at: str
    kind: Kind
    person: str | None
    fields: dict[str, Any]

    def as_json(self) -> str:
        content = {"id": self.id, "at": self.at, "kind": self.kind, "person": self.person} | self.fields
        return json.dumps(content, ensure_ascii=False)


class EventLog:
    """Appends, reads back, and wakes the streams that wait for more."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._news = threading.Condition()
        self._latest = self._latest_stored()
        self._closed = False

    def append(self, kind: Kind, person: str | None, **fields: Any) -> None:
        at = iso(self._clock())
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO events (at, kind, person, fields) VALUES (?, ?, ?, ?)",
                (at, kind, person, json.dumps(fields, ensure_ascii=False)),
            )
            event_id = cursor.lastrowid or 0
        with self._news:
            self._latest = max(self._latest, event_id)
            self._news.notify_all()

    def after(self, event_id: int) -> list[Event]:
        """The next events behind ``event_id``, oldest first, at most one batch."""
        query = "SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?"
        return [_event(row) for row in self._database.rows(query, event_id, _BATCH)]

    def of_person(self, person: str) -> list[Event]:
        rows = self._database.rows("SELECT * FROM events WHERE person = ? ORDER BY id", person)
        return [_event(row) for row in rows]

    def last_of_kind(self, kind: Kind) -> Event | None:
        row = self._database.row("SELECT * FROM events WHERE kind = ? ORDER BY id DESC LIMIT 1", kind)
        return _event(row) if row else None

    def stream(self, after: int, *, follow: bool = True) -> Iterator[str]:
        """Server-sent events behind ``after``, for as long as somebody listens; a comment now and then shows life.

        Without ``follow`` it ends with the last one that has happened so far.
        """
        yield "retry: 1000\n\n"
        while not self._closed:
            batch = self.after(after)
            for event in batch:
                yield f"id: {event.id}\ndata: {event.as_json()}\n\n"
                after = event.id
            if not batch and not follow:
                return
            if not batch and not self._wait_for_news(after):
                yield ": ping\n\n"

    def close(self) -> None:
        """Let every stream end."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def _wait_for_news(self, after: int) -> bool:
        with self._news:
            return self._news.wait_for(lambda: self._closed or self._latest > after, timeout=_PING_SECONDS)

    def _latest_stored(self) -> int:
        row = self._database.row("SELECT COALESCE(MAX(id), 0) AS latest FROM events")
        return int(row["latest"]) if row else 0


def _event(row: sqlite3.Row) -> Event:
    return Event(row["id"], row["at"], Kind(row["kind"]), row["person"], json.loads(row["fields"]))
