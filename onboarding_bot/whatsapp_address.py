"""The forms of an address on WhatsApp: a phone number, or the user id of a person who may hide the number."""

from __future__ import annotations

import re
from enum import StrEnum

CHANNEL = "whatsapp:"
_NUMBER = re.compile(r"whatsapp:\+[1-9][0-9]{4,14}")
# https://www.twilio.com/docs/whatsapp/key-concepts#business-scoped-user-ids: a country, a dot, up to 128 letters and
# digits; ENT marks an id that is the same for a group of businesses.
_USER_ID = re.compile(r"whatsapp:[A-Za-z]{2}\.(?P<group>ENT\.)?[A-Za-z0-9]{1,128}")


class AddressKind(StrEnum):
    """The kinds of addresses; a person has at most one of each."""

    NUMBER = "number"
    USER_ID = "user id"
    PARENT_ID = "parent id"


def kind_of(address: str) -> AddressKind | None:
    """The kind of an address; None for one that is not on WhatsApp, such as the bare number of an SMS."""
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
    """Whether the address is a user id (``whatsapp:IN.1349``, ``whatsapp:IN.ENT.77``)."""
    return kind_of(address) in {AddressKind.USER_ID, AddressKind.PARENT_ID}


def read_user_id(given: str) -> str | None:
    """The address of a user id with or without the channel before it; None for other text.

    Meta writes the country in capitals; a country in small letters is a typing mistake.
    """
    address = CHANNEL + given.strip().removeprefix(CHANNEL)
    country = address.removeprefix(CHANNEL)[:2]
    return address if is_user_id(address) and country.isupper() else None
