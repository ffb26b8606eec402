"""Records as encrypted JSON, each bound to its person and its kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from onboarding_bot.conversation.addresses import Link
from onboarding_bot.conversation.contact import Contact, Draft
from onboarding_bot.conversation.session import UserSession
from onboarding_bot.errors import UndecryptableError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.storage.encryption import Cipher

_Record = TypeVar("_Record", UserSession, Contact, Draft, Link, dict[str, Any])


class Sealer:
    """Turns records into values for Redis and back; one that cannot be decrypted or parsed counts as absent."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    def seal(self, record: Mapping[str, Any], kind: str, person_id: str) -> bytes:
        """The record as an encrypted value."""
        plaintext = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
        return self._cipher.encrypt(plaintext, _bound_to(kind, person_id))

    def session(self, person_id: str, value: bytes | None) -> UserSession | None:
        """The session in a value."""
        return self._open(value, "session", person_id, UserSession.from_record)

    def contact(self, person_id: str, value: bytes | None, draft: bytes | None) -> Contact | None:
        """The contact record in a value, with the draft that is stored beside it."""
        known = self._open(value, "contact", person_id, Contact.from_record)
        if known is None or draft is None:
            return known
        return replace(known, draft=self._open(draft, "draft", person_id, Draft.from_record))

    def link(self, person_id: str, value: bytes | None) -> Link | None:
        """The addresses in a value."""
        return self._open(value, "link", person_id, Link.from_record)

    def record(self, kind: str, bound_to: str, value: bytes | None) -> Mapping[str, Any] | None:
        """The record in a value that is no session, contact, draft or link."""
        return self._open(value, kind, bound_to, dict)

    def _open(
        self, value: bytes | None, kind: str, person_id: str, parse: Callable[[Mapping[str, Any]], _Record]
    ) -> _Record | None:
        if value is None:
            return None
        try:
            return parse(json.loads(self._cipher.decrypt(value, _bound_to(kind, person_id))))
        except (UndecryptableError, ValueError, KeyError, TypeError) as error:
            # The person must be answered all the same.
            logger().error("stored_value_unreadable", kind=kind, **describe(error))
            return None


def _bound_to(kind: str, person_id: str) -> bytes:
    return f"{kind}:{person_id}".encode()
