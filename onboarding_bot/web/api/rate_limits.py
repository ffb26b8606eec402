"""How often a caller may call in a minute, and who the caller is: a key by its name, or an address without a key."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from math import ceil
from time import time

from flask import Flask, Response, g, request
from flask_limiter import ApplicationLimit, Limiter, RateLimitExceeded, RequestLimit
from limits.storage import RedisStorage, Storage
from werkzeug.exceptions import HTTPException

from onboarding_bot.admin_keys import AdminKey, AdminKeys
from onboarding_bot.observability.logs import logger
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import LIMITS
from onboarding_bot.web.api.authentication import given_key
from onboarding_bot.web.api.client_address import Address, Networks, client_address
from onboarding_bot.web.api.operations.operation import CALLS_PER_ADDRESS, CALLS_PER_KEY, WRONG_KEYS_PER_ADDRESS
from onboarding_bot.web.api.operations.problem_kinds import TOO_MANY_REQUESTS
from onboarding_bot.web.api.problems import problem
from onboarding_bot.web.webhooks.signature import CALLED_BY_TWILIO

PER_KEY = f"{CALLS_PER_KEY} per minute"
PER_ADDRESS = f"{CALLS_PER_ADDRESS} per minute"
WRONG_KEYS = f"{WRONG_KEYS_PER_ADDRESS} per minute"
SHARED_REDIS = "shared-redis"
# Who has one IPv6 address has all addresses of its /64 network.
IPV6_PREFIX = 64
WEB_APP = "web-app"
DASHBOARD = "dashboard"
SIGN_IN = f"{DASHBOARD}.take_key"
# To refuse an unsigned call of Twilio's costs less than to count it; load balancers ask for the health all the time;
# and a page of the dashboard brings several files along, which browsers keep.
UNLIMITED = {
    *CALLED_BY_TWILIO,
    *("/health", "/health/live", "/health/ready"),
    "/dashboard/static/<asked>/<path:name>",
}


@dataclass(frozen=True, slots=True)
class Callers:
    """Tells who sent the request at hand.

    ``visitor`` returns the key that a visitor of the dashboard signed in with, and ``address_id`` the keyed hash of an
    address, which is all that Redis may hold of it.
    """

    admin_keys: AdminKeys
    handoff_api_key: str
    visitor: Callable[[], AdminKey | None]
    trusted_proxies: Networks
    address_id: Callable[[str], str]

    def bucket(self) -> str:
        """The name that the caller's requests are counted under: that of the key, or the hashed address."""
        return self.key_name() or self.address_bucket()

    def key_name(self) -> str:
        """``key:NAME`` or ``web-app`` for a valid key, otherwise empty."""
        given = _given_key()
        at_the_dashboard = request.blueprint == DASHBOARD and request.endpoint != SIGN_IN
        if admin := self.admin_keys.find(given) or (self.visitor() if at_the_dashboard else None):
            return f"key:{admin.name}"
        return WEB_APP if hmac.compare_digest(given.encode(), self.handoff_api_key.encode()) else ""

    def gives_wrong_key(self) -> bool:
        """Whether the request has a key, and it is not valid."""
        return bool(_given_key()) and not self.key_name()

    def address(self) -> Address | None:
        """The caller's address, as the trusted proxies tell it."""
        return client_address(
            request.remote_addr or "", request.headers.get("X-Forwarded-For", ""), self.trusted_proxies
        )

    def address_bucket(self) -> str:
        """``address:`` and the caller's hashed address, or for IPv6 its hashed network."""
        address = self.address()
        network = ip_network((address, IPV6_PREFIX), strict=False) if isinstance(address, IPv6Address) else address
        return f"address:{self.address_id(str(network))}"


def limit_requests(app: Flask, redis: AnyRedis | None, callers: Callers) -> None:
    """Answer 429 with ``Retry-After`` to a caller beyond its limit; all workers count together in ``redis``.

    Without ``redis``, and while it does not answer, each process counts for itself; so ``redis`` should give up soon. A
    valid key is let in however many wrong ones come from the same address: otherwise one caller behind a shared
    address could lock its holder out.
    """
    limiter = Limiter(
        callers.bucket,
        app=app,
        application_limits=[
            ApplicationLimit(lambda: PER_KEY if callers.key_name() else PER_ADDRESS),
            ApplicationLimit(
                WRONG_KEYS,
                scope="wrong-keys",
                key_function=callers.address_bucket,
                exempt_when=lambda: not callers.gives_wrong_key(),
            ),
        ],
        strategy="moving-window",
        storage_uri="memory://" if redis is None else f"{SHARED_REDIS}://",
        storage_options={} if redis is None else {"redis": redis},  # type: ignore[dict-item]
        in_memory_fallback_enabled=redis is not None,
        # When it cannot count in memory either, every request passes.
        swallow_errors=True,
        on_breach=_note_the_wait,
    )
    limiter.request_filter(_is_unlimited)

    @app.errorhandler(RateLimitExceeded)
    def exceeded(_error: RateLimitExceeded) -> Response:
        logger().warning("too_many_requests", path=_rule(), caller=callers.key_name() or str(callers.address()))
        return problem(TOO_MANY_REQUESTS, f"Try again in {g.retry_after} s.", retry_after=g.retry_after)


def _given_key() -> str:
    """The key of the Authorization header or, where the dashboard takes a key, the one in its form."""
    if request.endpoint != SIGN_IN:
        return given_key()
    try:
        return request.form.get("key", "").strip()
    except HTTPException:
        # The view reads the same form, and answers with the same fault.
        return ""


def _is_unlimited() -> bool:
    return _rule() in UNLIMITED


def _rule() -> str:
    return request.url_rule.rule if request.url_rule else "unknown"


def _note_the_wait(limit: RequestLimit) -> None:
    g.retry_after = max(1, ceil(limit.window.reset_time - time()))


class _SharedRedis(RedisStorage):
    """Counts through a client that exists already, so that REDIS_URL means the same everywhere."""

    STORAGE_SCHEME = [SHARED_REDIS]  # noqa: RUF012 - how limits registers a storage

    def __init__(self, uri: str, redis: AnyRedis, wrap_exceptions: bool = False) -> None:
        Storage.__init__(self, uri, wrap_exceptions)
        self.key_prefix = LIMITS
        self.target_server = "redis"
        self.dependency = self.dependencies["redis"].module
        self.storage = redis
        self.initialize_storage(uri)
