"""Suppressions in Redis: people to whom the bot sends nothing, because Twilio says that their numbers refuse it."""

from __future__ import annotations

from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.scripts import Scripts


class Suppressions:
    """Suppresses people. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis, person_keys: Keys) -> None:
        self._keys = person_keys
        self._scripts = Scripts(client)

    def suppress(self, person_id: str, code: int) -> None:
        """Send this person nothing more: Twilio says by ``code`` that the number is blocked or opted out."""
        self._run(person_id, code, broadcast_id="", needed=0)

    def suppress_after(self, needed: int, broadcast_id: str, person_id: str, code: int) -> None:
        """Send this person nothing more once ``needed`` different broadcasts met an error like ``code``."""
        self._run(person_id, code, broadcast_id=broadcast_id, needed=needed)

    def _run(self, person_id: str, code: int, *, broadcast_id: str, needed: int) -> None:
        with unavailable_on_error():
            self._scripts.run(
                "suppress",
                {"permit": self._keys.permit(person_id), "contact": self._keys.contact(person_id)},
                {"code": code, "broadcast": broadcast_id, "needed": needed},
            )
