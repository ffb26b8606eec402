"""The SQLite file: its schema and how it is opened, read and written."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    person TEXT,
    fields TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_of_person ON events (person, id);
CREATE TABLE IF NOT EXISTS people (
    person TEXT PRIMARY KEY,
    profile_name TEXT NOT NULL,
    last_message_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS phones (
    person TEXT PRIMARY KEY,
    number TEXT,
    user_id TEXT NOT NULL,
    hides_number INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS addresses (
    address TEXT PRIMARY KEY,
    person TEXT NOT NULL,
    given_up INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS inbound_messages (
    sid TEXT PRIMARY KEY,
    person TEXT NOT NULL,
    idempotency_token TEXT NOT NULL,
    form TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS outbound_messages (
    sid TEXT PRIMARY KEY,
    person TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS outbound_to_person ON outbound_messages (person);
CREATE TABLE IF NOT EXISTS deleted_media (
    sid TEXT PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS opt_outs (
    person TEXT PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS templates (
    sid TEXT PRIMARY KEY,
    friendly_name TEXT NOT NULL,
    language TEXT NOT NULL,
    variables TEXT NOT NULL,
    types TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    name TEXT,
    category TEXT,
    submitted_at TEXT
);
CREATE TABLE IF NOT EXISTS users (
    phone TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    sector TEXT NOT NULL,
    pincode TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS codes (
    phone TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    sent_at TEXT NOT NULL,
    tries INTEGER NOT NULL,
    used INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS otp_requests (
    idempotency_key TEXT PRIMARY KEY,
    body_digest TEXT NOT NULL,
    requested_at TEXT NOT NULL
);
"""
# What has been added to tables that an older simulator made; the file is kept across upgrades.
_LATER_COLUMNS = (
    ("inbound_messages", "created_at", "TEXT NOT NULL DEFAULT ''"),
    ("outbound_messages", "error_code", "INTEGER"),
    ("outbound_messages", "is_reply", "INTEGER NOT NULL DEFAULT 0"),
    ("inbound_messages", "address", "TEXT NOT NULL DEFAULT ''"),
    ("outbound_messages", "address", "TEXT NOT NULL DEFAULT ''"),
)
# In rows of an older simulator a person had one address, which was the person's name as well.
_LATER_VALUES = """
UPDATE inbound_messages SET address = person WHERE address = '';
UPDATE outbound_messages SET address = person WHERE address = '';
"""


class Database:
    """One connection for the whole process; a lock keeps the transactions of its threads apart."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        # autocommit: transactions begin where transaction() says, not where the driver guesses
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)
        for table, column, definition in _LATER_COLUMNS:
            present = {row["name"] for row in self._connection.execute(f"PRAGMA table_info({table})")}
            if column not in present:
                self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {definition}")
        self._connection.executescript(_LATER_VALUES)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """What is written inside becomes visible together, or not at all."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            # A greenlet that is killed, or Ctrl-C, is no Exception: an open transaction would lock out all others.
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        with self._lock:
            found: sqlite3.Row | None = self._connection.execute(query, values).fetchone()
            return found

    def close(self) -> None:
        with self._lock:
            self._connection.close()
