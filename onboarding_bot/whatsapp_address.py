"""What an address on WhatsApp looks like: a phone number, or the user id of a person who may hide it."""

from __future__ import annotations

import re
from enum import StrEnum

CHANNEL = "whatsapp:"
_NUMBER = re.compile(r"whatsapp:\+[1-9][0-9]{4,14}")
# https://www.twilio.com/docs/whatsapp/key-concepts#business-scoped-user-ids: a country, a dot, up to 128 letters and
# digits; ENT stands before those that a group of businesses has in common.
_USER_ID = re.compile(r"whatsapp:[A-Za-z]{2}\.(?P<group>ENT\.)?[A-Za-z0-9]{1,128}")


class AddressKind(StrEnum):
    """What an address is; of each kind a person has one."""

    NUMBER = "number"
    USER_ID = "user id"
    PARENT_ID = "parent id"


def kind_of(address: str) -> AddressKind | None:
    """The kind of this address; None for one that is not on WhatsApp, such as the bare number of an SMS."""
    if _NUMBER.fullmatch(address):
        return AddressKind.NUMBER
    found = _USER_ID.fullmatch(address)
    if found is None:
        return None
    return AddressKind.PARENT_ID if found["group"] else AddressKind.USER_ID


def is_whatsapp(address: str) -> bool:
    """Whether a person on WhatsApp can have this address."""
    return kind_of(address) is not None


def is_user_id(address: str) -> bool:
    """Whether the address is a user id (``whatsapp:IN.1349``, ``whatsapp:IN.ENT.77``), and no phone number."""
    return kind_of(address) in {AddressKind.USER_ID, AddressKind.PARENT_ID}


def read_user_id(given: str) -> str | None:
    """The address behind a user id that comes with or without its channel; None when it is none.

    Meta writes the country in capitals; what says it otherwise was mistyped.
    """
    address = CHANNEL + given.strip().removeprefix(CHANNEL)
    country = address.removeprefix(CHANNEL)[:2]
    return address if is_user_id(address) and country.isupper() else None
