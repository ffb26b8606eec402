"""The caller of a JSON endpoint: the name of a valid key, or the client's address without one."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network

from flask import request
from werkzeug.exceptions import HTTPException

from onboarding_bot.admin_keys import AdminKey, AdminKeys
from onboarding_bot.web.api.authentication import given_key
from onboarding_bot.web.api.client_address import Address, Networks, client_address

# Whoever has one address of IPv6 has all of its network.
IPV6_PREFIX = 64
WEB_APP = "web-app"
DASHBOARD = "dashboard"
SIGN_IN = f"{DASHBOARD}.take_key"


@dataclass(frozen=True, slots=True)
class Callers:
    """Tells the request's caller.

    ``visitor`` is who is signed in at the dashboard, and ``address_id`` makes of an address what may stand in Redis.
    """

    admin_keys: AdminKeys
    handoff_api_key: str
    visitor: Callable[[], AdminKey | None]
    trusted_proxies: Networks
    address_id: Callable[[str], str]

    def bucket(self) -> str:
        """What this request's caller is counted under: the name of the key, never the key; or the hashed address."""
        return self.key_name() or self.address_bucket()

    def key_name(self) -> str:
        """``key:NAME`` or ``web-app`` for a valid key, or nothing."""
        given = _given_key()
        at_the_dashboard = request.blueprint == DASHBOARD and request.endpoint != SIGN_IN
        if admin := self.admin_keys.find(given) or (self.visitor() if at_the_dashboard else None):
            return f"key:{admin.name}"
        return WEB_APP if hmac.compare_digest(given.encode(), self.handoff_api_key.encode()) else ""

    def gives_wrong_key(self) -> bool:
        """Whether somebody tries a key that is none."""
        return bool(_given_key()) and not self.key_name()

    def address(self) -> Address | None:
        """The caller's address, as far as proxies can be believed."""
        return client_address(
            request.remote_addr or "", request.headers.get("X-Forwarded-For", ""), self.trusted_proxies
        )

    def address_bucket(self) -> str:
        """The caller's address, hashed; all addresses of a network of IPv6 are one."""
        address = self.address()
        network = ip_network((address, IPV6_PREFIX), strict=False) if isinstance(address, IPv6Address) else address
        return f"address:{self.address_id(str(network))}"


def _given_key() -> str:
    """The key of the header, or the one that was typed at the dashboard's sign-in."""
    if request.endpoint != SIGN_IN:
        return given_key()
    try:
        return request.form.get("key", "").strip()
    except HTTPException:
        # A form that cannot be read gives no key; the view meets the same fault, and it becomes the answer.
        return ""
