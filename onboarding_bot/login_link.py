"""The login link: its signed token names a finished sign-up for 30 minutes, and holds none of the answers."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from itsdangerous import BadData, SignatureExpired, TimestampSigner
from itsdangerous.encoding import base64_decode, base64_encode

from onboarding_bot.conversation.reply import Url
from onboarding_bot.errors import LoginLinkError, LoginLinkExpiredError

LIFETIME_SECONDS = 30 * 60
_UUID_BYTES = 16
# A signature may end in - or _, which some phones take for the end of a link.
_LAST_LETTER = "e"


@dataclass(frozen=True, slots=True)
class Handoff:
    """The person whose answers a token is for, and the OTP request that it came with."""

    person_id: str
    handoff_id: str


class LoginLinks:
    """Makes and reads login links. The signing keys follow from the encryption keys, and rotate with them."""

    def __init__(self, web_app_url: str, encryption_keys: Sequence[bytes], *, include_phone: bool) -> None:
        self._url = f"{web_app_url}/login"
        self._include_phone = include_phone
        # itsdangerous signs with the last key and accepts all of them.
        signing_keys = [hmac.digest(key, b"login link", hashlib.sha256) for key in reversed(encryption_keys)]
        self._signer = TimestampSigner(signing_keys, salt="login-link", digest_method=hashlib.sha256)

    def make(self, handoff: Handoff, phone: str) -> Url:
        """A fresh link; with the phone number in it only where LOGIN_LINK_INCLUDE_PHONE asks for that."""
        content = bytes.fromhex(handoff.person_id) + UUID(handoff.handoff_id).bytes
        token = self._signer.sign(base64_encode(content)).decode() + _LAST_LETTER
        query = {"source": "whatsapp", "token": token}
        if self._include_phone:
            query["phone"] = phone
        return Url(f"{self._url}?{urlencode(query)}")

    def read(self, token: str) -> Handoff:
        """The person and request in a token. Raises LoginLinkExpiredError after 30 minutes, LoginLinkError else."""
        try:
            signed = self._signer.unsign(token.removesuffix(_LAST_LETTER), max_age=LIFETIME_SECONDS)
        except SignatureExpired as expired:
            raise LoginLinkExpiredError("the token is older than 30 minutes") from expired
        except (BadData, ValueError) as bad:
            raise LoginLinkError("the token is not one of ours") from bad
        content = base64_decode(signed)
        return Handoff(content[:-_UUID_BYTES].hex(), str(UUID(bytes=content[-_UUID_BYTES:])))
