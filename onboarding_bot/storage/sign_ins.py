"""Sign-ins at the dashboard: one value in Redis for each, which expires after a working day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from onboarding_bot.storage import keys
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.milliseconds import milliseconds
from onboarding_bot.storage.redis_errors import unavailable_on_error

SIGN_IN_LIFE = timedelta(hours=8)


class SignIns:
    """Stores a mark for each token. Every method raises StoreUnavailableError when Redis does not answer in time.

    Redis has the hash of a token only, with which one cannot sign in.
    """

    def __init__(self, client: AnyRedis) -> None:
        self._client = client

    def begin(self, token: str, mark: str) -> None:
        """Store the mark for ``SIGN_IN_LIFE``."""
        with unavailable_on_error():
            self._client.set(keys.sign_in(token), mark, px=milliseconds(SIGN_IN_LIFE))

    def find(self, token: str) -> str | None:
        """The token's mark, or None when it was never stored, has expired, or was deleted."""
        with unavailable_on_error():
            mark: Any = self._client.get(keys.sign_in(token))
        return mark.decode() if mark else None

    def end(self, token: str) -> None:
        """Delete the token's mark."""
        with unavailable_on_error():
            self._client.delete(keys.sign_in(token))
