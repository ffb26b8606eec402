"""The auth API's own business: who has registered, which code was sent, and whether it is the right one."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from simulator.addresses import CHANNEL
from simulator.clock import Clock, iso
from simulator.database import Database
from simulator.events import EventLog, Kind
from simulator.phones import Phones

CODE_LIFETIME = timedelta(minutes=5)
MAX_TRIES = 3


class Verdict(StrEnum):
    """What a code that somebody typed is worth."""

    RIGHT = "right"
    WRONG = "wrong_code"
    EXPIRED = "expired"
    TOO_MANY_TRIES = "too_many_tries"
    ALREADY_USED = "already_used"
    NO_CODE = "no_code"


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict, and how often this code may still be tried."""

    verdict: Verdict
    tries_left: int


@dataclass(frozen=True, slots=True)
class Registration:
    """Who asks for a code, with the answers that came along."""

    phone: str
    name: str
    sector: str
    pincode: str


class KeyReusedError(Exception):
    """An idempotency key came again with another request."""


class OtpService:
    """Sends and checks codes; what has been sent is known by its idempotency key for good."""

    def __init__(self, database: Database, phones: Phones, events: EventLog, clock: Clock) -> None:
        self._database = database
        self._phones = phones
        self._events = events
        self._clock = clock

    def send(self, registration: Registration, idempotency_key: str, body: Mapping[str, Any]) -> None:
        """Keep the user and send a code by SMS; a key seen before does nothing. Raises KeyReusedError."""
        now = self._clock()
        code = f"{secrets.randbelow(1_000_000):06}"
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        with self._database.transaction() as connection:
            known = connection.execute(
                "SELECT body_digest FROM otp_requests WHERE idempotency_key = ?", (idempotency_key,)
            ).fetchone()
            if known:
                if known["body_digest"] != digest:
                    raise KeyReusedError
                return
            connection.execute("INSERT INTO otp_requests VALUES (?, ?, ?)", (idempotency_key, digest, iso(now)))
            connection.execute(
                "INSERT INTO users (phone, name, sector, pincode, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (phone) DO UPDATE SET name = excluded.name, sector = excluded.sector,"
                " pincode = excluded.pincode, updated_at = excluded.updated_at",
                (registration.phone, registration.name, registration.sector, registration.pincode, iso(now), iso(now)),
            )
            connection.execute(
                "INSERT OR REPLACE INTO codes (phone, code, sent_at, tries, used) VALUES (?, ?, ?, 0, 0)",
                (registration.phone, code, iso(now)),
            )
        self._events.append(
            Kind.SMS,
            self._phones.holder(f"{CHANNEL}{registration.phone}").person,
            phone=registration.phone,
            text=f"Your MSMEBazaar code is {code}. It is valid for 5 minutes. Never share it with anyone.",
            code=code,
        )

    def verify(self, phone: str, code: str) -> Verification:
        """Check a code: only the latest of a phone counts, for 5 minutes, for 3 tries, and once."""
        with self._database.transaction() as connection:
            sent = connection.execute("SELECT * FROM codes WHERE phone = ?", (phone,)).fetchone()
            if sent is None:
                return Verification(Verdict.NO_CODE, 0)
            if sent["used"]:
                return Verification(Verdict.ALREADY_USED, 0)
            if self._clock() - datetime.fromisoformat(sent["sent_at"]) >= CODE_LIFETIME:
                return Verification(Verdict.EXPIRED, 0)
            if sent["tries"] >= MAX_TRIES:
                return Verification(Verdict.TOO_MANY_TRIES, 0)
            tries_left = MAX_TRIES - sent["tries"] - 1
            right = hmac.compare_digest(sent["code"].encode(), code.encode())
            connection.execute("UPDATE codes SET tries = tries + 1, used = ? WHERE phone = ?", (int(right), phone))
        if right:
            return Verification(Verdict.RIGHT, tries_left)
        return Verification(Verdict.WRONG if tries_left else Verdict.TOO_MANY_TRIES, tries_left)
