"""What is shown of an address to those who need not know it."""

from __future__ import annotations

HEAD, TAIL = 3, 4
HIDDEN = "******"


def masked(address: str) -> str:
    """``whatsapp:+919876543210`` as ``whatsapp:+91******3210``; a short one loses its tail as well.

    What is no address (``unknown``) stays as it is.
    """
    channel, colon, number = address.partition(":")
    if not colon:
        return address
    tail = number[-TAIL:] if len(number) > HEAD + TAIL + TAIL else ""
    return f"{channel}:{number[:HEAD]}{HIDDEN}{tail}"
