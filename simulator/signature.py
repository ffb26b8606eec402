"""How Twilio signs what it POSTs, and where a signed URL is really reached."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

from simulator.settings import Settings


def sign(url: str, form: Mapping[str, str], auth_token: str) -> str:
    """The ``X-Twilio-Signature`` of a form: HMAC-SHA1 over the URL and every name and value in the names' order."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    digest = hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def real_address(url: str, settings: Settings) -> str:
    """Where to send what is addressed to the bot's public URL; any other URL is its own address."""
    public = settings.public_base_url
    if url == public or url.startswith((f"{public}/", f"{public}?")):
        return settings.bot_url + url.removeprefix(public)
    return url
