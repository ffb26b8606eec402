"""The admin keys: the name and the roles of each."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from enum import StrEnum

KEY_MIN_LENGTH = 16
# The name that audit lines give to a key without one.
BARE_NAME = "admin"
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,31}):(?P<roles>[A-Za-z]+(?:\+[A-Za-z]+)*):(?P<key>.*)")


class Role(StrEnum):
    """What a key allows: READ figures, SEND broadcasts, or see and change people's DATA."""

    READ = "read"
    SEND = "send"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class AdminKey:
    """One key; logs show its name, and never its secret."""

    name: str
    roles: frozenset[Role]
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AdminKeys:
    """All keys that are valid."""

    keys: tuple[AdminKey, ...]

    def find(self, given: str) -> AdminKey | None:
        """The key with this secret, or None; compares all keys, each in constant time."""
        found = None
        for key in self.keys:
            if hmac.compare_digest(given.encode(), key.secret.encode()):
                found = key
        return found

    def first_with(self, role: Role) -> AdminKey | None:
        """The first key that has the role, or None: for a command on the bot's own machine."""
        return next((key for key in self.keys if role in key.roles), None)


def parse_admin_keys(raw: str) -> AdminKeys:
    """Read ``name:role:key`` entries with commas between them, or one bare key that has all roles.

    Several roles of a key are written ``read+send``, or in entries of their own. A value is a list only when one of its
    entries names a known role: a bare key may hold commas and colons. Raises ValueError that names entries by their
    number, and quotes nothing of them.
    """
    entries = [entry.strip() for entry in raw.split(",")]
    if not any(_roles(entry) & set(Role) for entry in entries):
        return AdminKeys((AdminKey(BARE_NAME, frozenset(Role), _long_enough(raw)),))
    faults: list[str] = []
    keys: dict[str, AdminKey] = {}
    for number, entry in enumerate(entries, start=1):
        try:
            key = _entry(entry)
            known = keys.get(key.secret, key)
            if known.name != key.name:
                raise ValueError("has the key of another name")
            keys[key.secret] = AdminKey(key.name, known.roles | key.roles, key.secret)
        except ValueError as fault:
            faults.append(f"entry {number} {fault}")
    if faults:
        raise ValueError("; ".join(faults))
    return AdminKeys(tuple(keys.values()))


def looks_mistyped(keys: AdminKeys) -> bool:
    """Whether a bare key has the form of a named entry, whose role is perhaps misspelt."""
    return any(key.name == BARE_NAME and _NAMED.fullmatch(key.secret) for key in keys.keys)


def _entry(entry: str) -> AdminKey:
    named = _NAMED.fullmatch(entry)
    if named is None:
        if ":" in entry:
            raise ValueError(f"must be name:role:key, with roles out of {', '.join(Role)}")
        return AdminKey(BARE_NAME, frozenset(Role), _long_enough(entry))
    if not _roles(entry) <= set(Role):
        raise ValueError(f"has a role that is none of {', '.join(Role)}")
    roles = frozenset(Role(role) for role in _roles(entry))
    return AdminKey(named["name"], roles, _long_enough(named["key"].strip()))


def _roles(entry: str) -> set[str]:
    named = _NAMED.fullmatch(entry)
    return set(named["roles"].lower().split("+")) if named else set()


def _long_enough(key: str) -> str:
    if len(key) < KEY_MIN_LENGTH:
        raise ValueError(f"must have at least {KEY_MIN_LENGTH} characters in its key")
    return key
