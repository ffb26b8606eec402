"""WhatsApp addresses: a phone number, or the user id that WhatsApp gives to a person with a number."""

from __future__ import annotations

import re
import secrets

CHANNEL = "whatsapp:"
_NUMBER = re.compile(r"whatsapp:\+[1-9][0-9]{6,14}")
# With ENT it is the id for a managed group of businesses.
_USER_ID = re.compile(r"whatsapp:[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
MAX_LENGTH = len(CHANNEL) + len("IN.ENT.") + 128


def is_number(address: str) -> bool:
    return _NUMBER.fullmatch(address) is not None


def is_user_id(address: str) -> bool:
    return _USER_ID.fullmatch(address) is not None


def is_address(text: str) -> bool:
    return is_number(text) or is_user_id(text)


def new_user_id() -> str:
    """One that nobody has: it says nothing about the number that it belongs to."""
    return f"{CHANNEL}IN.{secrets.randbelow(10**20):020}"


def new_number() -> str:
    """An Indian mobile number."""
    return f"{CHANNEL}+917{secrets.randbelow(10**9):09}"
