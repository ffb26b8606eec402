"""How often a JSON endpoint may be called: by a key, by an address without one, and with wrong keys."""

from __future__ import annotations

from math import ceil
from time import time

from flask import Flask, Response, g, request
from flask_limiter import ApplicationLimit, Limiter, RateLimitExceeded, RequestLimit
from limits.storage import RedisStorage, Storage

from onboarding_bot.observability.logs import logger
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import LIMITS
from onboarding_bot.web.api.callers import Callers
from onboarding_bot.web.api.operations.operation import CALLS_PER_ADDRESS, CALLS_PER_KEY, WRONG_KEYS_PER_ADDRESS
from onboarding_bot.web.api.operations.problem_kinds import TOO_MANY_REQUESTS
from onboarding_bot.web.api.problems import problem
from onboarding_bot.web.webhooks.signature import CALLED_BY_TWILIO

PER_KEY = f"{CALLS_PER_KEY} per minute"
PER_ADDRESS = f"{CALLS_PER_ADDRESS} per minute"
WRONG_KEYS = f"{WRONG_KEYS_PER_ADDRESS} per minute"
SHARED_REDIS = "shared-redis"
# Twilio's calls are signed: to refuse one that is not costs less than to count it. Health is asked by machines.
# A page of the dashboard brings several files along, which browsers keep.
UNLIMITED = {
    *CALLED_BY_TWILIO,
    *("/health", "/health/live", "/health/ready"),
    "/dashboard/static/<asked>/<path:name>",
}


def limit_requests(app: Flask, redis: AnyRedis | None, callers: Callers) -> None:
    """Answer 429 with ``Retry-After`` to whoever calls too often, all workers counting together in ``redis``.

    Without Redis, and while it is gone, each process counts for itself; so ``redis`` should give up soon. A valid key
    is let in however many wrong ones come from the same address: behind a shared address somebody else could lock its
    holder out.
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
        # Should it not be able to count in memory either, it lets people in.
        swallow_errors=True,
        on_breach=_note_the_wait,
    )
    limiter.request_filter(_is_unlimited)

    @app.errorhandler(RateLimitExceeded)
    def exceeded(_error: RateLimitExceeded) -> Response:
        logger().warning("too_many_requests", path=_rule(), caller=callers.key_name() or str(callers.address()))
        detail = f"Try again in {g.retry_after} s."
        return problem(TOO_MANY_REQUESTS, detail, retry_after=g.retry_after)


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
