"""Encryption at rest: AES-256-GCM with rotating keys; each value is bound to its person and its kind."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from onboarding_bot.errors import UndecryptableError

FORMAT = b"\x01"
KEY_ID_BYTES = 4
NONCE_BYTES = 12
# Format, key id and nonce. The nonce is random for each encryption, so this head also serves as a version.
HEAD_BYTES = len(FORMAT) + KEY_ID_BYTES + NONCE_BYTES


class Cipher:
    """Encrypts with the first key, decrypts with whichever key the value names."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._by_id = {_key_id(key): AESGCM(key) for key in keys}
        self._current = _key_id(keys[0])

    def encrypt(self, plaintext: bytes, bound_to: bytes) -> bytes:
        """Head and ciphertext; it opens only with the same ``bound_to``."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return FORMAT + self._current + nonce + self._by_id[self._current].encrypt(nonce, plaintext, bound_to)

    def decrypt(self, value: bytes, bound_to: bytes) -> bytes:
        """The plaintext. Raises UndecryptableError for an unknown format or key, or an altered value."""
        key_id, nonce = value[1 : 1 + KEY_ID_BYTES], value[1 + KEY_ID_BYTES : HEAD_BYTES]
        key = self._by_id.get(key_id)
        if value[:1] != FORMAT or key is None or len(nonce) < NONCE_BYTES:
            raise UndecryptableError("no key at hand opens this value")
        try:
            return key.decrypt(nonce, value[HEAD_BYTES:], bound_to)
        except InvalidTag:
            raise UndecryptableError("the value was altered, or belongs to another person") from None


def version_of(value: bytes | None) -> bytes:
    """The version of a stored value: its head, or nothing when there is no value."""
    return (value or b"")[:HEAD_BYTES]


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"key id" + key).digest()[:KEY_ID_BYTES]
