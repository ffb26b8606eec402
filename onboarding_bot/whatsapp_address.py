"""What an address on WhatsApp looks like: a phone number, or the id of somebody who hides it."""

from __future__ import annotations

import re

CHANNEL = "whatsapp:"
# https://www.twilio.com/docs/whatsapp/key-concepts#business-scoped-user-ids: a country, a dot, up to 128 letters and
# digits; ENT stands before those that a group of businesses has in common.
_WHATSAPP = re.compile(r"whatsapp:(?:\+[1-9][0-9]{4,14}|[A-Za-z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128})")


def is_whatsapp(address: str) -> bool:
    """Whether somebody on WhatsApp can have this address; an SMS comes from a bare number."""
    return _WHATSAPP.fullmatch(address) is not None
