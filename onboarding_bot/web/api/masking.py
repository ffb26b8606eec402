"""What is shown of an address to those who need not know it."""

from __future__ import annotations

from onboarding_bot.broadcasts.service import NO_ADDRESSES
from onboarding_bot.whatsapp_address import CHANNEL, is_whatsapp

HEAD, TAIL = 3, 4
HIDDEN = "******"


def masked(address: str) -> str:
    """``whatsapp:+919876543210`` as ``whatsapp:+91******3210``; a short one loses its tail as well.

    What stands in the place of an address (``unknown``) stays as it is. Of anything else that is no address on WhatsApp
    nobody knows which part tells who it is: nothing is shown of it.
    """
    if address in NO_ADDRESSES:
        return address
    if not is_whatsapp(address):
        return HIDDEN
    number = address.removeprefix(CHANNEL)
    tail = number[-TAIL:] if len(number) > HEAD + TAIL + TAIL else ""
    return f"{CHANNEL}{number[:HEAD]}{HIDDEN}{tail}"
