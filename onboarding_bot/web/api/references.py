"""The short reference that joins what somebody was told after an unexpected error with its line in the log."""

from __future__ import annotations

import secrets

# Read aloud on the phone: no letters and digits that sound or look alike.
REFERENCE_ALPHABET = "34679ACDEFHJKMNPRTVWXY"
REFERENCE_LENGTH = 4


def new_reference() -> str:
    """Such as ``7F3K``."""
    return "".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(REFERENCE_LENGTH))
